/** How fast a watcher that was away gets what it missed, beside rows, objects and Redis. */
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { clientFrame, redisCommand, upgrade, type Step } from "./bytes.ts";
import { editTexts, fillLog, fromTheStart } from "./filling.ts";
import { spread, type Figures, type Scale } from "./figures.ts";
import { startLoad } from "./loading.ts";
import { freePort, has, peersFolder, type Running, type Workshop } from "./processes.ts";
import { startProduct, watchSteps } from "./product.ts";

type Resumable = Pick<Running, "pid" | "stop"> & {
  readonly port: number;
  readonly framing: "ws" | "raw";
  readonly steps: readonly Step[];
};
type Kind = {
  readonly name: string;
  readonly missing: () => string | undefined;
  readonly start: (workshop: Workshop, changes: number) => Promise<Resumable>;
};
const never = (): undefined => undefined;

/** The relay with a log of so many changes, and what a reader says that wants all of them. */
export async function startFilledRelay(workshop: Workshop, changes: number): Promise<Resumable> {
  const product = await startProduct(workshop, {
    sheets: 1,
    isInstalled: false,
    fill: (log, { spreadsheetId }) => fillLog(log, spreadsheetId, changes),
  });
  const [sheet] = product.sheets;
  if (!sheet) throw new Error("No spreadsheet was let in.");
  const page = await fetch(`${product.url}/v1/spreadsheets/${sheet.spreadsheetId}/changes?since=0&limit=1`, {
    headers: { authorization: `Bearer ${sheet.token}` },
  });
  const { epoch } = (await page.json()) as { epoch: string };
  return { ...product, framing: "ws", steps: watchSteps(sheet, fromTheStart(epoch)) };
}

const relay: Kind = { name: "sheetwire", missing: never, start: startFilledRelay };

/** A row for each change, sent joined or one by one. */
const rows = (name: string, how: "joined" | "objects"): Kind => ({
  name,
  missing: never,
  async start(workshop, changes) {
    const file = join(workshop.folder, `rows-${how}-${changes}.db`);
    const db = new DatabaseSync(file);
    db.exec("PRAGMA journal_mode = WAL");
    db.exec("CREATE TABLE changes (sheet TEXT, seq INTEGER, json TEXT, PRIMARY KEY (sheet, seq)) WITHOUT ROWID");
    const add = db.prepare("INSERT INTO changes (sheet, seq, json) VALUES ('bench-0', ?, ?)");
    db.exec("BEGIN");
    let seq = 0;
    for (const text of editTexts(changes)) add.run((seq += 1), text);
    db.exec("COMMIT");
    db.close();
    const port = await freePort();
    const command = [process.execPath, join(peersFolder, "rows.ts"), String(port), file, "{}", "normal", how];
    const running = await workshop.server(command);
    return { ...running, port, framing: "ws", steps: [upgrade("/"), { send: clientFrame("bench-0"), wait: "" }] };
  },
});

const redis: Kind = {
  name: "redis XRANGE",
  missing: () => (has("redis-server") && has("redis-cli") ? undefined : "redis-server or redis-cli is not installed"),
  async start(workshop, changes) {
    const port = await freePort();
    const running = await workshop.server(
      ["redis-server", "--port", String(port), "--bind", "127.0.0.1", "--save", ""],
      {
        port,
      },
    );
    const texts = [...editTexts(changes)];
    for (let from = 0; from < texts.length; from += 20_000) {
      const input = Buffer.concat(
        texts.slice(from, from + 20_000).map((text) => redisCommand("XADD", "sheet", "*", "j", text)),
      );
      const { status } = spawnSync("redis-cli", ["-p", String(port), "--pipe"], { input });
      if (status !== 0) throw new Error("redis-cli could not fill the stream.");
    }
    return { ...running, port, framing: "raw", steps: [{ send: redisCommand("XRANGE", "sheet", "-", "+"), wait: "" }] };
  },
};

export async function resumeOnce(workshop: Workshop, running: Resumable, changes: number) {
  const load = await startLoad(workshop, {
    pid: running.pid,
    watch: { port: running.port, framing: running.framing, steps: running.steps, count: 1, until: changes },
  });
  try {
    return await load.ask("until");
  } finally {
    await load.stop();
  }
}

export async function benchResume(workshop: Workshop, scale: Scale, figures: Figures): Promise<void> {
  for (const changes of scale.isQuick ? [10_000, 100_000] : [10_000, 1_000_000]) {
    const running = new Map<string, Resumable>();
    const question = `resume of ${changes.toLocaleString("en")} changes`;
    try {
      for (const kind of [relay, rows("a row per change", "joined"), rows("objects, one by one", "objects"), redis]) {
        const why = kind.missing();
        if (why === undefined) running.set(kind.name, await kind.start(workshop, changes));
        else figures.skip(question, kind.name, why);
      }
      const times = new Map<string, { ms: number[]; cpu: number[]; lost: number }>();
      for (let round = 0; round <= scale.rounds; round += 1) {
        for (const [name, one] of running) {
          const result = await resumeOnce(workshop, one, changes);
          if (round === 0) continue;
          const known = times.get(name) ?? { ms: [], cpu: [], lost: 0 };
          times.set(name, known);
          known.ms.push(Number(result["ms"]));
          known.cpu.push(Number(result["serverCpuUs"]) / changes);
          known.lost += Number(result["holes"]) + (Number(result["reached"]) === 1 ? 0 : 1);
        }
      }
      for (const [name, { ms, cpu, lost }] of times) {
        const taken = spread(ms);
        figures.add({
          question,
          who: name,
          unit: "ms",
          ...taken,
          changesPerSecond: Math.round((changes / taken.median) * 1_000),
          serverCpuUsEach: spread(cpu).median,
          ...(lost > 0 ? { lost } : {}),
        });
      }
    } finally {
      for (const one of running.values()) await one.stop();
    }
  }
}
