/** Sheetwire as it runs: built script, real relay, and a count of what goes between them. */
import { openPrograms } from "../../e2e/converge/programs.ts";
import type { ControlCell } from "../../e2e/stage/stage.ts";
import type { Costs, Design } from "./design.ts";
import { callsOf } from "./naive.ts";

export type Sheetwire = Design & { posts: () => number; rowsSent: () => number };

export async function openSheetwire(rows: ControlCell[][]): Promise<Sheetwire> {
  const { stage, tap, google, grant, stop } = await openPrograms();
  const { control } = stage;
  await google.clock({ virtual: true, shared: true });
  const { spreadsheetId } = await control.create({ title: "Sheetwire", sheets: [{ title: "Table", rows }] });
  await control.connect(spreadsheetId, grant(spreadsheetId).connectionString);
  await control.idle(spreadsheetId);
  // A first copy may need more than one run.
  for (let ticks = 0; ticks < 3; ticks += 1) await google.clock({ advanceMs: 10 * 60_000 });
  await control.idle(spreadsheetId);
  return {
    async play(actions, waitMs): Promise<Costs> {
      await control.resetUsage();
      tap.reset();
      await google.act(spreadsheetId, actions);
      await control.idle(spreadsheetId);
      if (waitMs > 0) await google.clock({ advanceMs: waitMs });
      await control.idle(spreadsheetId);
      const { bytes, rowsSent } = tap.traffic();
      return { bytes, ...callsOf(await control.usage(spreadsheetId)), rowsTold: rowsSent };
    },
    posts: () => tap.traffic().posts,
    rowsSent: () => tap.traffic().rowsSent,
    stop,
  };
}
