/** `npm run bench -- relay`: the relay beside its peers, in one interleaved run. */
import { parseArgs } from "node:util";
import { benchFanOut } from "./fan-out.ts";
import { benchIngest } from "./ingest.ts";
import { openFigures, type Figures, type Scale } from "./figures.ts";
import { benchIdle } from "./idle.ts";
import { benchLatency } from "./latency.ts";
import { benchResume } from "./resume.ts";
import { openWorkshop, type Workshop } from "./processes.ts";

const questions: Record<string, (workshop: Workshop, scale: Scale, figures: Figures) => Promise<void>> = {
  "fan-out": benchFanOut,
  ingest: benchIngest,
  resume: benchResume,
  latency: benchLatency,
  idle: benchIdle,
};

export const relayUsage = `relay [--quick] [--only ${Object.keys(questions).join(",")}] [--write]
      --quick: fewer rounds and smaller counts; --write: puts the table into bench/README.md`;

export async function benchRelay(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      quick: { type: "boolean", default: false },
      only: { type: "string", default: Object.keys(questions).join(",") },
      write: { type: "boolean", default: false },
    },
  });
  const only = values.only.split(",");
  const unknown = only.filter((name) => !(name in questions));
  if (unknown.length > 0)
    throw new RangeError(`There is no question ${unknown.join(", ")}: ${Object.keys(questions).join(", ")}`);
  const figures = openFigures((line) => void process.stdout.write(`${JSON.stringify(line)}\n`));
  const workshop = openWorkshop();
  const cutShort = (): void => void workshop.end().finally(() => process.exit(143));
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, cutShort);
  try {
    const scale = { isQuick: values.quick, rounds: values.quick ? 3 : 5 };
    for (const [name, ask] of Object.entries(questions)) if (only.includes(name)) await ask(workshop, scale, figures);
  } finally {
    for (const signal of ["SIGINT", "SIGTERM"] as const) process.off(signal, cutShort);
    await workshop.end();
  }
}
