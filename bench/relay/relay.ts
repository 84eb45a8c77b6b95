/** `npm run bench -- relay`: the relay beside its peers, in one interleaved run. */
import { cpus, loadavg } from "node:os";
import { parseArgs } from "node:util";
import { benchFairness } from "./fairness.ts";
import { benchFanOut } from "./fan-out.ts";
import { benchIngest } from "./ingest.ts";
import { openFigures, type Figures, type Scale } from "./figures.ts";
import { benchGrowth } from "./growth.ts";
import { benchIdle } from "./idle.ts";
import { benchLatency } from "./latency.ts";
import { benchResume } from "./resume.ts";
import { tableOf, writeTable } from "./table.ts";
import { openWorkshop, type Workshop } from "./processes.ts";

const questions: Record<string, (workshop: Workshop, scale: Scale, figures: Figures) => Promise<void>> = {
  "fan-out": benchFanOut,
  ingest: benchIngest,
  resume: benchResume,
  latency: benchLatency,
  fairness: benchFairness,
  idle: benchIdle,
  growth: benchGrowth,
};

export const relayUsage = `relay [--quick] [--only ${Object.keys(questions).join(",")}] [--write]
      --quick: fewer rounds and smaller counts; --write: puts the table of each question that was asked into bench/README.md,
      and the plots of growth into docs/relay-growth.svg`;

function circumstances(isQuick: boolean): string {
  const { model = "an unknown processor" } = cpus()[0] ?? {};
  const at = new Date().toISOString().slice(0, 10);
  return `${isQuick ? "With `--quick`, taken" : "Taken"} ${at} on ${cpus().length} cores (${model.trim()}), Node ${process.versions.node}, server and load on a core each, load average ${loadavg()[0]?.toFixed(1)} when it ended.`;
}

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
  const workshop = openWorkshop();
  const cutShort = (): void => void workshop.end().finally(() => process.exit(143));
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, cutShort);
  try {
    const scale = { isQuick: values.quick, rounds: values.quick ? 3 : 5, isWritten: values.write };
    for (const [name, ask] of Object.entries(questions)) {
      if (!only.includes(name)) continue;
      // No ratio looks beyond its question, so each has a table of its own, written as soon as it is answered.
      const figures = openFigures((line) => void process.stdout.write(`${JSON.stringify(line)}\n`));
      await ask(workshop, scale, figures);
      if (values.write) writeTable(name, tableOf(figures, circumstances(values.quick)));
    }
  } finally {
    for (const signal of ["SIGINT", "SIGTERM"] as const) process.off(signal, cutShort);
    await workshop.end();
  }
}
