/** Whether everything is equal at the end, and nothing is left open. */
import { nextChain, FIRST_CHAIN } from "@sheetwire/shared/digest";
import { applyChange, emptyModel } from "@sheetwire/shared/grid";
import { changeSchema } from "@sheetwire/shared/protocol";
import { partsOf } from "../../relay-server/log/log.ts";
import { loadDesk } from "../../relay-server/wants/wants.ts";
import type { Disk } from "./disk.ts";
import type { ReadableCopy } from "./memory-copy.ts";
import { SPREADSHEET_ID, type RelayHost } from "./relay-host.ts";
import type { Scripts } from "./scripts.ts";
import type { Table } from "./table.ts";
import type { Sheets, Witness } from "./witness.ts";

export type Verdict = {
  readonly equal: { readonly relay: boolean; readonly mirror: boolean };
  readonly problems: readonly string[];
  readonly seq: number;
};

type Scene = {
  table: Table;
  relay: RelayHost;
  disk: Disk;
  copy: ReadableCopy;
  scripts: Scripts;
  witness: Witness;
};

export async function judge({ table, relay, disk, copy, scripts }: Scene): Promise<Verdict> {
  const problems: string[] = [];
  const truth = table.truth();
  const log = disk.log();

  const logged = await replay(disk, problems);
  const isRelayEqual = compare("the relay", truth, logged.sheets, problems);

  const contents = await copy.contents();
  const mirrored: Sheets = (contents?.sheets ?? [])
    .map(({ sheet, rows }) => ({
      sheetId: sheet.sheetId,
      title: sheet.title,
      columns: sheet.columns,
      index: sheet.index,
      rows,
    }))
    .sort((a, b) => a.index - b.index);
  const isMirrorEqual = compare("the mirror", truth, mirrored, problems);
  const head = await log.head(SPREADSHEET_ID);
  if (contents?.cursor?.seq !== head?.seq || contents?.cursor?.chain !== head?.chain) {
    problems.push(`the mirror stands at ${contents?.cursor?.seq ?? "nothing"}, the log at ${head?.seq ?? "nothing"}`);
  }

  const json = await log.desk(SPREADSHEET_ID);
  if (json === undefined) problems.push("the relay has no desk");
  else {
    const desk = loadDesk(json, 0);
    if (desk.sheetsSince !== undefined) problems.push("the list of sheets is open");
    for (const { sheetId } of table.sheets) {
      const sheet = desk.sheets.get(sheetId);
      if (!sheet) problems.push(`nothing is known of sheet ${sheetId}`);
      else if (sheet.doubts.length > 0) problems.push(`rows of sheet ${sheetId} are in doubt`);
      else if (sheet.digestsSince !== undefined) problems.push(`the digests of sheet ${sheetId} are open`);
    }
  }
  if (!relay.ingest()) problems.push("the relay is down");
  if (scripts.running() > 0) problems.push(`${scripts.running()} runs never ended`);
  return { equal: { relay: isRelayEqual, mirror: isMirrorEqual }, problems, seq: head?.seq ?? 0 };
}

/** What is wrong although the relay has nothing open and the script keeps nothing: nobody would ever look. */
export async function silentErrors({ table, disk, scripts, witness }: Scene): Promise<string[]> {
  const problems: string[] = [];
  const told = witness.told();
  const truth = table.truth();
  const who = "the relay, knowing of nothing open,";
  if (compare(who, truth, told, [])) return [];
  const json = await disk.log().desk(SPREADSHEET_ID);
  const desk = json === undefined ? undefined : loadDesk(json, 0);
  // Of rows that were otherwise at each of two looks the status says that they are not proven.
  const proven = told.map((sheet) => {
    const volatile = desk?.sheets.get(sheet.sheetId)?.volatile ?? [];
    const there = truth.find((one) => one.sheetId === sheet.sheetId)?.rows ?? [];
    const isVolatile = (at: number): boolean => volatile.some(({ from, to }) => from <= at && at < to);
    return { ...sheet, rows: sheet.rows.map((row, at) => (isVolatile(at) ? (there[at] ?? row) : row)) };
  });
  if (compare(who, truth, proven, problems)) return [];
  const isOpen =
    desk === undefined ||
    desk.sheetsSince !== undefined ||
    [...desk.sheets.values()].some(
      ({ doubts, digestsSince, recheck }) =>
        doubts.length > 0 || digestsSince !== undefined || recheck?.dueAt !== undefined,
    ) ||
    told.some((sheet) => sheet.rows.includes(null));
  return isOpen || scripts.keepsSomething() || scripts.running() + scripts.abandoned() > 0 ? [] : problems;
}

/** The state that the log tells of from its beginning, with every seq once, in order, and the chain that was promised. */
async function replay(disk: Disk, problems: string[]): Promise<{ sheets: Sheets }> {
  const model = emptyModel();
  let seq = 0;
  let chain = FIRST_CHAIN;
  for (const entry of await disk.log().readAfter(SPREADSHEET_ID, 0, Number.MAX_SAFE_INTEGER)) {
    for (const part of partsOf(entry.json)) {
      const change = changeSchema.parse(JSON.parse(part));
      if (change.seq !== seq + 1) problems.push(`after change ${seq} the log goes on with ${change.seq}`);
      seq = change.seq;
      chain = nextChain(chain, part);
      try {
        applyChange(model, change);
      } catch (error) {
        problems.push(`change ${seq} does not fit: ${String(error)}`);
        return { sheets: [] };
      }
    }
    if (chain !== entry.chain) problems.push(`the chain breaks at change ${seq}`);
  }
  const sheets = [...model.sheets.values()].sort((a, b) => a.sheet.index - b.sheet.index);
  return {
    sheets: sheets.map(({ sheet, rows }) => ({
      sheetId: sheet.sheetId,
      title: sheet.title,
      columns: sheet.columns,
      rows,
    })),
  };
}

function compare(who: string, truth: Sheets, copy: Sheets, problems: string[]): boolean {
  const before = problems.length;
  const names = (sheets: Sheets): string => sheets.map((one) => `${one.sheetId} ${one.title}`).join(", ");
  if (names(truth) !== names(copy)) problems.push(`${who} has sheets ${names(copy)}, there are ${names(truth)}`);
  for (const sheet of truth) {
    const held = copy.find((one) => one.sheetId === sheet.sheetId);
    if (!held) continue;
    if (held.columns !== sheet.columns || held.rows.length !== sheet.rows.length) {
      problems.push(
        `${who} has ${held.rows.length} x ${held.columns} in sheet ${sheet.sheetId}, there is ${sheet.rows.length} x ${sheet.columns}`,
      );
    }
    sheet.rows.forEach((row, at) => {
      const mine = held.rows[at];
      if (JSON.stringify(mine) === JSON.stringify(row)) return;
      problems.push(
        `${who} differs in sheet ${sheet.sheetId}, row ${at}: ${JSON.stringify(mine)} for ${JSON.stringify(row)}`,
      );
    });
  }
  return problems.length === before;
}
