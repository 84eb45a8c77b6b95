/** What the relay's judgement costs: aligning a large sheet, and placing one typed edit in a large state. */
import { digestOfRow, type Digest } from "@sheetwire/shared/digest";
import { storedRow, type StoredRow } from "../relay-server/sheets/sheets.ts";
import { RelayDouble, SheetDouble } from "../relay-server/wants/sheet-double.ts";
import { align } from "../relay-server/wants/wants.ts";
import { measure, tell } from "./measure.ts";

const SEED = 7;

/** Rows as a real table has them: some content of their own, some repeated. */
const cells = (row: number): [string, number, string] => [`name ${row}`, row % 97, row % 5 === 0 ? "open" : "done"];

export function benchWants(): void {
  const million = Array.from({ length: 1_000_000 }, (_, row) => storedRow(cells(row), SEED));
  const digests = million.map(({ high, low }): Digest => ({ high: high >>> 0, low: low >>> 0 }));

  const inserted = [digestOfRow(["new"], SEED), ...digests];
  let found = align(million, inserted);
  tell("1,000,000 rows, one inserted at the top: align", {
    ...measure(
      () => undefined,
      () => (found = align(million, inserted)),
    ),
    rowsOfContentSent: found.unknown.length + found.changed.length,
  });

  const part: StoredRow[] = million.slice(0, 100_000);
  const sorted = digests.slice(0, 100_000).sort((a, b) => a.high - b.high);
  tell("100,000 rows sorted: align", {
    ...measure(
      () => undefined,
      () => (found = align(part, sorted)),
    ),
    rowsOfContentSent: found.unknown.length + found.changed.length,
  });

  const same: StoredRow[] = Array.from({ length: 1_000_000 }, (_, row) => storedRow([row % 2], SEED));
  const others = Array.from({ length: 1_000_000 }, (_, row) => digestOfRow([row % 3], SEED));
  tell("1,000,000 rows of two contents become three: align", {
    ...measure(
      () => undefined,
      () => (found = align(same, others)),
      3,
    ),
    rowsOfContentSent: found.unknown.length + found.changed.length,
  });

  const edits = 2_000;
  const sheet = new SheetDouble([
    {
      sheetId: 7,
      title: "One",
      columns: 20,
      rows: Array.from({ length: 50_000 }, (_, row) => [
        ...cells(row),
        ...Array.from({ length: 17 }, (_cell, column) => row * column),
      ]),
    },
  ]);
  const relay = new RelayDouble(sheet);
  relay.run("install", [sheet.sheets()]);
  let count = 0;
  const figure = measure(
    () =>
      Array.from({ length: edits }, () => {
        count += 1;
        sheet.now += 1_000;
        const row = (count * 7_919) % 50_000;
        const held = sheet.grid(7).rows[row];
        if (held) held[3] = `edit ${count}`;
        return { post: sheet.post(sheet.newRun(), 0, "edit", [sheet.edit(7, row, 3, 1, 1)]), now: sheet.now };
      }),
    (posts) => {
      for (const { post, now } of posts) {
        sheet.now = now;
        relay.take(post);
      }
    },
  );
  tell("a typed edit in a state of 1,000,000 cells: place, compare, apply", {
    microsecondsEach: Number(((figure.medianMs * 1000) / edits).toPrecision(3)),
    ...figure,
    editsARun: edits,
  });
}
