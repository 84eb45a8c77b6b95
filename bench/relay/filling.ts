/** Logs of any length and sheets of any size, written as ingest writes them but without posting every reading. */
import { FIRST_CHAIN, nextChain } from "@sheetwire/shared/digest";
import type { ChangeLog } from "../../relay-server/log/log.ts";

/** Changes that one append adds. */
const EACH = 500;

const common = {
  loggedAt: 1_795_324_619_546,
  cause: "edit",
  actor: "somebody@example.com",
  readAt: [1_795_324_619_505, 1_795_324_619_505],
};
const sheetsChange = (rows: number, columns: number): object => ({
  kind: "sheets",
  spreadsheet: {
    title: "Ledger",
    locale: "en_GB",
    timeZone: "UTC",
    sheets: [{ sheetId: 7, title: "Data", index: 0, rows, columns, hidden: false, kind: "GRID" }],
  },
});

/** One typed edit after the other, as JSON texts with their seqs. */
export function* editTexts(count: number, firstSeq = 1): Generator<string> {
  for (let seq = firstSeq; seq < firstSeq + count; seq += 1) {
    const at = { row: seq % 4_000, column: 0 };
    yield JSON.stringify({ kind: "cells", sheetId: 7, at, cells: [[`cell ${seq}`]], was: [[null]], seq, ...common });
  }
}

/** A log of so many changes; small entries are joined as the relay joins them in its spare time. */
export async function fillLog(log: ChangeLog, spreadsheetId: string, changes: number): Promise<void> {
  await append(log, spreadsheetId, [sheetsChange(4_000, 20), { kind: "rows", sheetId: 7, runs: [{ blank: 4_000 }] }]);
  const head = await log.head(spreadsheetId);
  const texts = editTexts(changes - (head?.seq ?? 0), (head?.seq ?? 0) + 1);
  for (let group = take(texts, EACH); group.length > 0; group = take(texts, EACH))
    await appendTexts(log, spreadsheetId, group);
  while (await log.tidy());
}

/** A sheet of so many rows of 20 filled columns. */
export async function fillSheet(log: ChangeLog, spreadsheetId: string, rows: number): Promise<void> {
  await append(log, spreadsheetId, [sheetsChange(rows, 20)]);
  for (let from = 0; from < rows; from += 1_000) {
    const count = Math.min(1_000, rows - from);
    const cells = Array.from({ length: count }, (_, offset) =>
      Array.from({ length: 20 }, (_cell, column) =>
        column % 2 === 0 ? (from + offset) * column : `text ${from + offset}`,
      ),
    );
    await append(log, spreadsheetId, [{ kind: "cells", sheetId: 7, at: { row: from, column: 0 }, cells }]);
    while (await log.tidy());
  }
}

function take(texts: Iterator<string>, count: number): string[] {
  const taken: string[] = [];
  for (let next = texts.next(); !next.done; next = texts.next()) {
    taken.push(next.value);
    if (taken.length === count) break;
  }
  return taken;
}

async function append(log: ChangeLog, spreadsheetId: string, drafts: readonly object[]): Promise<void> {
  const seq = (await log.head(spreadsheetId))?.seq ?? 0;
  const texts = drafts.map((draft, at) => JSON.stringify({ ...draft, seq: seq + 1 + at, ...common }));
  await appendTexts(log, spreadsheetId, texts);
}

async function appendTexts(log: ChangeLog, spreadsheetId: string, texts: readonly string[]): Promise<void> {
  const expected = await log.create(spreadsheetId);
  const chain = texts.reduce(nextChain, expected.chain);
  const entry = {
    firstSeq: expected.seq + 1,
    lastSeq: expected.seq + texts.length,
    json: `[${texts.join(",")}]`,
    chain,
  };
  await log.append([{ spreadsheetId, expected, entry }]);
}

/** The place before the first change. */
export const fromTheStart = (epoch: string): object => ({ epoch, seq: 0, chain: FIRST_CHAIN });
