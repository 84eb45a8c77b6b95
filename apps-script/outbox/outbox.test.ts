import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Rectangle } from "../effects/effects.ts";
import { outboxOf, textsOf, withKept, type Kept } from "./outbox.ts";

const kept = (
  row: number,
  column = 0,
  more: Partial<Kept> & { rows?: number; columns?: number; sheetId?: number } = {},
): Kept => {
  const { rows = 1, columns = 1, sheetId = 7, ...rest } = more;
  return { place: { sheetId, row, rows, column, columns }, cause: "edit", at: 5, ...rest };
};
const boxOf = (list: readonly Kept[]) => list.reduce(withKept, []);

describe("the outbox", () => {
  test("comes back from its texts as it went in", () => {
    const box = boxOf([
      kept(1, 1, { actor: "ädä@example.com" }),
      kept(9, 4, { rows: 3 }),
      { place: "sheets", cause: "change:OTHER", at: 6 },
    ]);
    expect(outboxOf(textsOf(box))).toEqual(box);
  });

  test("keeps one list of sheets, which says whether it stands for one change of structure or for several", () => {
    const list = (cause: Kept["cause"], at: number): Kept => ({ place: "sheets", cause, at, actor: "ada" });
    const [inserted, removed, check] = [list("change:INSERT_ROW", 3), list("change:REMOVE_ROW", 2), list("sweep", 1)];
    expect(boxOf([inserted, check])).toEqual([inserted]);
    expect(boxOf([check, inserted])).toEqual([inserted]);
    expect(boxOf([inserted, removed])).toEqual([list("change:SEVERAL", 2)]);
    expect(boxOf([inserted, inserted])).toEqual([list("change:SEVERAL", 3)]);
    const several = boxOf([inserted, removed, check]);
    expect(outboxOf(textsOf(several))).toEqual(several);
  });

  test("names nobody where two people's edits meet", () => {
    const [one] = boxOf([kept(1, 0, { actor: "ada", at: 9 }), kept(2, 0, { actor: "bob", at: 3 })]);
    expect(one).toEqual({
      place: { sheetId: 7, row: 1, rows: 2, column: 0, columns: 1 },
      cause: "edit",
      at: 3,
      actor: undefined,
    });
  });

  test("keeps to Google's nine kilobytes a property, and to eight properties, by getting coarser", () => {
    const many = Array.from({ length: 3_000 }, (_, n) =>
      kept(n * 2, (n % 50) * 2, { sheetId: n % 40, actor: "ädä".repeat(40) }),
    );
    const texts = textsOf(boxOf(many));
    expect(Object.keys(texts).length).toBeLessThanOrEqual(8);
    for (const text of Object.values(texts)) expect(Buffer.byteLength(text)).toBeLessThan(9 * 1_024);
    const places = outboxOf(texts).map((one) => one.place as Rectangle);
    expect(places).toHaveLength(40);
    expect(places.every((place) => place.row === 0 && place.rows === 10_000_000)).toBe(true);
  });

  test("says that everything is to be read again when not even whole sheets fit", () => {
    const sheets = Array.from({ length: 3_000 }, (_, sheetId) => kept(0, 0, { sheetId }));
    expect(outboxOf(textsOf(sheets))).toEqual([expect.objectContaining({ place: "everything" })]);
  });

  test.each(["", "not json", "{}", "[[1,2,3]]", '[[[1,2,3,4,-5],"edit",1]]', '[[[1,2,3,4,5],"rm -rf",1]]', "[null]"])(
    "that cannot be read (%s) stands for everything: it stood for something",
    (text) => {
      expect(outboxOf({ "sheetwire.outbox.0": text })).toEqual([expect.objectContaining({ place: "everything" })]);
    },
  );

  test("covers every cell that was ever put into it", () => {
    const range = fc.record({
      row: fc.nat(12),
      column: fc.nat(6),
      rows: fc.integer({ min: 1, max: 4 }),
      columns: fc.integer({ min: 1, max: 3 }),
      sheetId: fc.nat(1),
    });
    fc.assert(
      fc.property(fc.array(range, { maxLength: 30 }), (ranges) => {
        const box = outboxOf(textsOf(boxOf(ranges.map(({ row, column, ...size }) => kept(row, column, size)))));
        const cellsOf = (places: readonly Rectangle[]) => {
          const cells = new Set<string>();
          for (const { sheetId, row, rows, column, columns } of places) {
            for (let r = row; r < row + rows; r += 1)
              for (let c = column; c < column + columns; c += 1) cells.add(`${sheetId},${r},${c}`);
          }
          return cells;
        };
        expect(cellsOf(box.map((one) => one.place as Rectangle))).toEqual(cellsOf(ranges));
      }),
    );
  });
});
