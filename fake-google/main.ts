import { existsSync, openSync, writeSync } from "node:fs";
import { parseArgs } from "node:util";
import { datasets } from "./data/data.ts";
import { createFakeGoogle, defaultBundleDir } from "./fake-google.ts";

const help = `A stand-in for Google: spreadsheets with their scripts, on this machine.

  npm run fake-google -- [options]

  --port N          port of the control API (0: any; default 0)
  --sheets-port N   port of the sheets over HTTPS (0: any; default 0)
  --host H          address to listen on (default 127.0.0.1)
  --bundle DIR      the built script (default ${defaultBundleDir})
  --profile NAME    how Google behaves: normal or hostile (default normal)
  --seed N          the seed of the hostile profile (default: drawn, GET /control/decisions tells it)
  --clock-file FILE a shared virtual time is written here for other programs: milliseconds since 1970 as a double of eight
                    bytes, 0 when time passes as outside
  --data            start with the demo tables: ${datasets.join(", ")}
  --help            this text

When ready it prints one JSON line with "msg":"listening", url, sheetsUrl and spki. SIGTERM or Ctrl+C stops it.
`;

function portOf(text: string, name: string): number {
  const port = Number(text);
  if (!/^\d{1,5}$/.test(text) || port > 65_535) throw new Error(`${name} takes a port number, 0 to 65535.`);
  return port;
}

function seedOf(text: string): number {
  const seed = Number(text);
  if (!/^\d{1,15}$/.test(text) || !Number.isSafeInteger(seed)) throw new Error("--seed takes a whole number.");
  return seed;
}

async function start(): Promise<void> {
  const { values } = parseArgs({
    options: {
      port: { type: "string", default: "0" },
      "sheets-port": { type: "string", default: "0" },
      host: { type: "string", default: "127.0.0.1" },
      bundle: { type: "string", default: defaultBundleDir },
      profile: { type: "string", default: "normal" },
      seed: { type: "string" },
      "clock-file": { type: "string" },
      data: { type: "boolean", default: false },
      help: { type: "boolean", short: "h", default: false },
    },
  });
  if (values.help) {
    process.stdout.write(help);
    return;
  }
  if (values.seed !== undefined && values.profile !== "hostile")
    throw new Error("Only --profile hostile has a --seed.");
  const clockFile = values["clock-file"] === undefined ? undefined : openSync(values["clock-file"], "r+");
  const google = await createFakeGoogle({
    port: portOf(values.port, "--port"),
    sheetsPort: portOf(values["sheets-port"], "--sheets-port"),
    host: values.host,
    bundleDir: values.bundle,
    profile: values.profile,
    ...(values.seed === undefined ? {} : { seed: seedOf(values.seed) }),
    ...(clockFile === undefined
      ? {}
      : { onShared: (now) => void writeSync(clockFile, new Float64Array([now ?? 0]), 0, 8, 0) }),
  });
  const spreadsheets: { title: string; editUrl: string }[] = [];
  if (values.data) {
    const script = existsSync(values.bundle) ? await google.world.readBundle() : undefined;
    for (const dataset of datasets) {
      const project = await google.world.createFromDataset(dataset);
      const { spreadsheet, editUrl } = project;
      // Without a built script the tables are there all the same, with no menu of a script.
      if (script) project.push(script);
      spreadsheets.push({ title: spreadsheet.state.title, editUrl });
    }
  }
  const { url, sheetsUrl, spki } = google;
  process.stdout.write(
    `${JSON.stringify({ msg: "listening", url, sheetsUrl, spki, ...(values.data ? { spreadsheets } : {}) })}\n`,
  );
  let isStopping = false;
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    process.on(signal, () => {
      if (isStopping) return;
      isStopping = true;
      void google.stop().then(() => process.exit(0));
    });
  }
}

try {
  await start();
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(1);
}
