/** Whether sheet, relay and mirror are equal, cell by cell: values, formulas, displays. */
import * as z from "zod";
import { differencesOf } from "../stage/mirror-rows.ts";
import { until, type ControlCell, type Stage } from "../stage/stage.ts";
import { padded, type State } from "./history.ts";

export type MirroredSheet = { sheetId: number; title: string; rows: (ControlCell[] | null)[] };

/** The extension's copy of one spreadsheet, wherever it runs. */
export type Copy = {
  /** The last seq that it holds, -1 before the first. */
  seq: () => Promise<number>;
  /** Undefined while it has no whole copy. */
  sheets: () => Promise<MirroredSheet[] | undefined>;
  stop: () => Promise<void>;
};

export type Scene = { stage: Stage; spreadsheetId: string; token: string; mirror: Copy };

/** Where each differs from the sheet, in words without contents. */
export type Verdict = { readonly relay: readonly string[]; readonly mirror: readonly string[] };

const LOOK_EVERY_MS = 5;

export const isEqual = ({ relay, mirror }: Verdict): boolean => relay.length === 0 && mirror.length === 0;

/** Compares when no run is in progress any more and the mirror has what the relay has. */
export async function judge({ stage, spreadsheetId, token, mirror }: Scene): Promise<Verdict> {
  const { control } = stage;
  await control.idle(spreadsheetId);
  const held = await snapshotOf(stage, spreadsheetId, token);
  if (!held) return { relay: ["there is no copy"], mirror: ["there is no copy"] };
  const isThere = async (): Promise<boolean> => (await mirror.seq()) >= held.seq;
  // A mirror that never gets there is judged by what it has.
  await until("the mirror to reach the relay's head", isThere, 10_000, LOOK_EVERY_MS).catch(() => undefined);
  const copies = { relay: held.sheets, mirror: await mirror.sheets() };
  const listed = await control.sheets(spreadsheetId);
  const found: { relay: string[]; mirror: string[] } = { relay: [], mirror: [] };
  const named = (sheets: readonly { sheetId: number; title: string }[]): string =>
    JSON.stringify(sheets.map(({ sheetId, title }) => `${sheetId} ${title}`).toSorted());
  for (const who of ["relay", "mirror"] as const) {
    const copy = copies[who];
    if (!copy) found[who].push("there is no whole copy");
    else if (named(copy) !== named(listed)) found[who].push("other sheets or titles");
  }
  for (const { sheetId } of listed) {
    const truth = await control.rows(spreadsheetId, sheetId);
    for (const who of ["relay", "mirror"] as const) {
      const copy = copies[who]?.find((one) => one.sheetId === sheetId);
      if (copies[who]) found[who].push(...differencesOf(truth.rows, copy?.rows ?? []));
    }
  }
  return found;
}

/** Waits for the first copy, which needs no fault to go wrong. */
export async function untilCopied(scene: Scene): Promise<void> {
  let found: Verdict = { relay: [], mirror: [] };
  const isCopied = async (): Promise<boolean> => {
    if (!(await scene.mirror.sheets())) return false;
    found = await judge(scene);
    return isEqual(found);
  };
  await until("the first copy", isCopied, 30_000, LOOK_EVERY_MS).catch((error: unknown) => {
    throw new Error(`${String(error)} Relay: ${found.relay.join("; ")}. Mirror: ${found.mirror.join("; ")}.`);
  });
}

/** Whether the actions made of the sheet what the history says: checks the runner, not the product. */
export async function differencesFromState(scene: Scene, sheetId: number, state: State): Promise<string[]> {
  const { rows } = await scene.stage.control.rows(scene.spreadsheetId, sheetId);
  return differencesOf(
    rows,
    padded(state).map((row) => row.map((cell) => (cell === "" ? null : cell))),
  );
}

const lineSchema = z.union([
  z.object({ end: z.literal(true) }),
  z.object({ sheetId: z.number(), fromRow: z.number(), rows: z.array(z.union([z.null(), z.array(z.unknown())])) }),
  z.object({
    seq: z.number(),
    spreadsheet: z.object({ sheets: z.array(z.object({ sheetId: z.number(), title: z.string() })) }),
  }),
]);

const asDevice = (token: string): RequestInit => ({
  headers: { authorization: `Bearer ${token}`, "accept-encoding": "identity" },
});

/** What the relay holds, by its snapshot; nothing where it was told nothing yet. */
async function snapshotOf(
  stage: Stage,
  spreadsheetId: string,
  token: string,
): Promise<{ seq: number; sheets: MirroredSheet[] } | undefined> {
  const response = await fetch(`${stage.relay.url}/v1/spreadsheets/${spreadsheetId}/snapshot`, asDevice(token));
  if (response.status === 503) return undefined;
  if (!response.ok) throw new Error(`The relay's snapshot answered ${response.status}.`);
  let seq = 0;
  const sheets: MirroredSheet[] = [];
  for (const line of (await response.text()).split("\n").filter(Boolean)) {
    const told = lineSchema.parse(JSON.parse(line));
    if ("seq" in told) {
      seq = told.seq;
      sheets.push(...told.spreadsheet.sheets.map(({ sheetId, title }) => ({ sheetId, title, rows: [] })));
    } else if ("rows" in told) {
      const sheet = sheets.find((one) => one.sheetId === told.sheetId);
      sheet?.rows.push(...(told.rows as (ControlCell[] | null)[]));
    }
  }
  return { seq, sheets };
}

/** How many rows the relay put right that nobody had told it of. */
export async function healedOf({ stage, spreadsheetId, token }: Scene): Promise<number> {
  const response = await fetch(`${stage.relay.url}/v1/spreadsheets/${spreadsheetId}/status`, asDevice(token));
  return z.object({ healed: z.object({ count: z.number() }) }).parse(await response.json()).healed.count;
}
