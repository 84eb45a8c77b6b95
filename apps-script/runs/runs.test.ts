import { unpackDigests, digestOfRow, seedOf, digestText } from "@sheetwire/shared/digest";
import { limits } from "@sheetwire/shared/limits";
import { postSchema, type Post, type ReadingOf, type Want } from "@sheetwire/shared/protocol";
import { beforeEach, describe, expect, test } from "vitest";
import { runAsync, type Program, type Sent } from "../effects/effects.ts";
import { outboxOf } from "../outbox/outbox.ts";
import { settingsOf } from "../settings/settings.ts";
import { createWorld, type SentPost, type World } from "../simulation/simulation.ts";
import { onChange, onEdit, onTick, onWish } from "./runs.ts";

const spreadsheetId = "sheet-under-test";
const ingestKey = `whsec_${"A".repeat(32)}`;

/** A connected spreadsheet with one sheet, and a relay whose answers the test queues. */
function connected(size = { rows: 100, columns: 5 }) {
  const wants: Want[][] = [];
  const failures: Sent[] = [];
  const world = createWorld({
    spreadsheetId,
    relay: (): Sent => {
      const failure = failures.shift();
      return (
        failure ?? {
          reached: true,
          status: 202,
          text: JSON.stringify({ epoch: "e", seq: 1, wants: wants.shift() ?? [] }),
        }
      );
    },
  });
  world.addSheet(7, "Plan", size.rows, size.columns);
  world.properties["sheetwire.connection"] = JSON.stringify({
    url: "https://relay.example/base/",
    spreadsheetId,
    ingestKey,
  });
  world.properties["sheetwire.installation"] = JSON.stringify({
    installation: "inst-1",
    triggerUids: ["111", "222"],
    installedBy: "somebody",
    installedAt: 1,
  });
  return { world, wants, failures };
}

let { world, wants, failures } = connected();
beforeEach(() => {
  ({ world, wants, failures } = connected());
});

const run = <T>(program: Program<T>, on: World = world): Promise<T> => runAsync(program, on.hands());
const parse = ({ body }: SentPost): Post => postSchema.parse(JSON.parse(body));
const posts = (): Post[] => world.posts.map(parse);
const facts = { triggerUid: "111", email: undefined };

/** Somebody types at a cell, and Google starts a run. */
async function typed(row: number, column: number, value: string, more: { email?: string; oldValue?: string } = {}) {
  world.put(7, row, column, [[value]]);
  world.eventRange = { sheetId: 7, row, column, rows: 1, columns: 1 };
  await run(onEdit({ triggerUid: "111", email: more.email, oldValue: more.oldValue }));
}

const stored = () => outboxOf(settingsOf(world.properties).outboxTexts);

describe("an edit", () => {
  test("travels as one post with its whole row, what it was, and who made it", async () => {
    world.put(7, 3, 0, [["a", "old", "c"]]);
    await typed(3, 1, "new", { email: "ada@example.com", oldValue: "old" });
    const [post] = posts();
    expect(world.posts).toHaveLength(1);
    expect(world.posts[0]?.url).toBe(`https://relay.example/base/v1/spreadsheets/${spreadsheetId}/posts`);
    expect(post).toMatchObject({
      protocol: 1,
      n: 0,
      cause: "edit",
      actor: "ada@example.com",
      script: { installation: "inst-1" },
      allowance: { runLimitMs: limits.runLimitMs },
    });
    expect(post?.readings).toEqual([
      {
        kind: "cells",
        readAt: [expect.any(Number), expect.any(Number)],
        sheetId: 7,
        at: { row: 3, column: 0 },
        cells: [["a", "new", "c"]],
        size: { rows: 1, columns: 5 },
        sheetRows: 100,
        sheetColumns: 5,
        edited: { row: 3, column: 1, rows: 1, columns: 1 },
        was: "old",
      },
    ]);
  });

  test("costs one fetch, one properties read, three range reads, no lock and no property write", async () => {
    await typed(0, 0, "x");
    expect({
      fetches: world.count("send"),
      properties: world.count("properties"),
      reads: world.count("values") + world.count("formulas") + world.count("displays"),
      locks: world.count("lock"),
      writes: world.count("saveProperties"),
    }).toEqual({ fetches: 1, properties: 1, reads: 3, locks: 0, writes: 0 });
  });

  test("heard by a trigger that is not ours costs one properties read and nothing else", async () => {
    for (const triggerUid of ["999", undefined]) {
      world.counts.clear();
      world.eventRange = { sheetId: 7, row: 0, column: 0, rows: 1, columns: 1 };
      await run(onEdit({ triggerUid, email: undefined, oldValue: undefined }));
      expect([...world.counts.keys()].sort()).toEqual(["now", "properties"]);
    }
    expect(world.posts).toEqual([]);
  });

  test("in a copy of the spreadsheet is not sent in the original's name", async () => {
    world.properties["sheetwire.connection"] = JSON.stringify({
      url: "https://r.example",
      spreadsheetId: "another-one",
      ingestKey,
    });
    await typed(0, 0, "x");
    expect(world.posts).toEqual([]);
  });

  test("on a sheet without cells is ignored", async () => {
    world.eventRange = undefined;
    await run(onEdit({ ...facts, oldValue: undefined }));
    expect(world.posts).toEqual([]);
  });

  test("by somebody whom Google does not name carries Google's pseudonym, or nothing", async () => {
    await typed(0, 0, "x");
    world.userKey = undefined;
    await typed(0, 0, "y");
    expect(posts().map((post) => post.actor)).toEqual(["key-of-somebody", undefined]);
  });

  test("larger than one look says digests while the sheet is one look: a sort sends no content", async () => {
    ({ world, wants, failures } = connected({ rows: 5_000, columns: 30 }));
    world.put(7, 2_000, 3, [["last row"]]);
    world.eventRange = { sheetId: 7, row: 10, column: 2, rows: 3_000, columns: 20 };
    await run(onEdit({ ...facts, oldValue: undefined }));
    expect(posts()[0]).toMatchObject({
      cause: "edit",
      readings: [{ kind: "digests", axis: "rows", from: 0, to: 2_001 }],
    });
    expect(posts()[0]?.readings[0]?.want).toBeUndefined();
  });

  test("larger than one look, on a sheet larger than one look, is read in part by whole rows, and says how large it was", async () => {
    ({ world, wants, failures } = connected({ rows: 5_000, columns: 50 }));
    world.put(7, 4_999, 49, [["last cell"]]);
    world.eventRange = { sheetId: 7, row: 10, column: 2, rows: 3_000, columns: 20 };
    world.put(7, 10, 2, [["first"]]);
    await run(onEdit({ ...facts, oldValue: undefined }));
    const reading = posts()[0]?.readings[0] as ReadingOf<"cells">;
    expect(reading).toMatchObject({
      at: { row: 10, column: 2 },
      size: { rows: 1_000, columns: 20 },
      edited: { row: 10, column: 2, rows: 3_000, columns: 20 },
      cells: [["first"]],
    });
  });

  test("on a wide and mostly empty sheet reads only as far as there is content", async () => {
    ({ world, wants, failures } = connected({ rows: 1_000, columns: 200 }));
    world.put(7, 0, 0, [["a", "b", "c"]]);
    world.eventRange = { sheetId: 7, row: 0, column: 1, rows: 500, columns: 1 };
    await run(onEdit({ ...facts, oldValue: undefined }));
    expect(posts()[0]?.readings[0]).toMatchObject({ at: { row: 0, column: 0 }, size: { rows: 500, columns: 3 } });
  });

  test("while rows are inserted is read again, so that its size and its cells belong together", async () => {
    let hasInserted = false;
    world.before = (effect) => {
      if (effect !== "formulas" || hasInserted) return;
      hasInserted = true;
      for (const sheet of world.sheets) sheet.rows = 101;
    };
    await typed(3, 1, "x");
    expect(posts()[0]?.readings[0]).toMatchObject({ kind: "cells", sheetRows: 101 });
    expect(world.count("values")).toBe(2);
  });

  test("on a sheet that is deleted meanwhile is told as the sheets that are left", async () => {
    world.addSheet(8, "Other", 10, 10);
    world.before = (effect) => {
      if (effect === "formulas") world.sheets = world.sheets.filter((sheet) => sheet.sheetId !== 7);
    };
    await typed(3, 1, "x");
    const [reading] = posts()[0]?.readings ?? [];
    expect(reading?.kind === "sheets" && reading.spreadsheet.sheets.map((sheet) => sheet.sheetId)).toEqual([8]);
  });
});

describe("what the relay wants", () => {
  const layout = 1;

  test("is read in the same run, after a flush, and posted with the want's name", async () => {
    world.put(7, 0, 0, [["a", 1, true], ["b"]]);
    const range = { startRowIndex: 0, endRowIndex: 50, startColumnIndex: 0, endColumnIndex: 9 };
    wants.push([{ kind: "cells", id: "w1", sheetId: 7, layout, range }]);
    const order: string[] = [];
    world.before = (effect) => void order.push(effect);
    await typed(5, 0, "x");
    const [first, second] = posts();
    expect([first?.n, second?.n, first?.run === second?.run]).toEqual([0, 1, true]);
    expect(second?.readings).toEqual([
      expect.objectContaining({
        kind: "cells",
        want: "w1",
        at: { row: 0, column: 0 },
        cells: [["a", 1, true], ["b"], [], [], [], ["x"]],
        size: { rows: 50, columns: 5 },
      }),
    ]);
    const rest = order.slice(order.indexOf("send") + 1);
    expect(rest.indexOf("flush")).toBeLessThan(rest.indexOf("values"));
    expect(rest.filter((effect) => effect === "values" || effect === "formulas" || effect === "displays")).toEqual([
      "values",
      "formulas",
      "displays",
      "values",
    ]);
  });

  test("as digests equals what the relay computes from the content, blank rows as zero and unread", async () => {
    world.put(7, 0, 0, [["a"], [""], ["c", { value: 3, formula: "=1+2", display: "3.00" }]]);
    wants.push([
      { kind: "digests", id: "rows", sheetId: 7, layout, axis: "rows", from: 0, to: 1_000 },
      { kind: "digests", id: "columns", sheetId: 7, layout, axis: "columns", from: 0, to: 5 },
    ]);
    await run(onTick(facts));
    const found = posts()[1]?.readings as ReadingOf<"digests">[];
    const seed = seedOf(spreadsheetId);
    const text = (rows: Parameters<typeof digestOfRow>[0][]) => rows.map((row) => digestText(digestOfRow(row, seed)));
    const zeros = (count: number) => Array.from({ length: count }, () => "0".repeat(16));
    const rich = { v: 3, f: "=1+2", d: "3.00" };
    expect(found[0]).toMatchObject({ want: "rows", from: 0, to: 100, usedRows: 3, usedColumns: 2, sheetRows: 100 });
    expect(unpackDigests(found[0]?.digests ?? "")?.map(digestText)).toEqual([
      ...text([["a"], [], ["c", rich]]),
      ...zeros(97),
    ]);
    expect(found[1]).toMatchObject({ want: "columns", axis: "columns", from: 0, to: 5 });
    expect(unpackDigests(found[1]?.digests ?? "")?.map(digestText)).toEqual([
      ...text([
        ["a", null, "c"],
        [null, null, rich],
      ]),
      ...zeros(3),
    ]);
    // Both axes come from one look at the sheet.
    expect(world.count("formulas")).toBe(1);
  });

  test("as rows is read in a few stretches and answered row by row", async () => {
    world.put(
      7,
      0,
      0,
      Array.from({ length: 90 }, (_, row) => [`row ${row}`]),
    );
    wants.push([{ kind: "rows", id: "w", sheetId: 7, layout, rows: [80, 3, 5, 81, 95, 5_000] }]);
    await run(onTick(facts));
    const reading = posts()[1]?.readings[0] as ReadingOf<"rows"> | undefined;
    expect(reading?.rows).toEqual([
      [3, ["row 3"]],
      [5, ["row 5"]],
      [80, ["row 80"]],
      [81, ["row 81"]],
      [95, []],
    ]);
    expect(world.count("formulas")).toBe(2);
  });

  test("as cells costs only the filled part, and says of the rest that it is blank", async () => {
    ({ world, wants, failures } = connected({ rows: 1_000, columns: 18_278 }));
    world.put(7, 0, 0, [["a"], ["b"]]);
    const range = { startRowIndex: 1, endRowIndex: 500, startColumnIndex: 0, endColumnIndex: 18_278 };
    wants.push([{ kind: "cells", id: "w", sheetId: 7, layout, range }]);
    const sizes: unknown[] = [];
    world.before = (effect, details) => {
      if (effect !== "values") return;
      const { rows, columns } = details as { rows: number; columns: number };
      sizes.push([rows, columns]);
    };
    await run(onTick(facts));
    expect(sizes).toEqual([
      [1, 1],
      [1, 1],
    ]);
    expect(posts()[1]?.readings[0]).toMatchObject({
      at: { row: 1, column: 0 },
      cells: [["b"]],
      size: { rows: 499, columns: 18_278 },
    });
  });

  test("beyond the end of a sheet that was shortened is answered as far as there is anything", async () => {
    const range = { startRowIndex: 150, endRowIndex: 200, startColumnIndex: 2, endColumnIndex: 9 };
    wants.push([
      { kind: "cells", id: "c", sheetId: 7, layout, range },
      { kind: "digests", id: "d", sheetId: 7, layout, axis: "rows", from: 150, to: 200 },
      { kind: "rows", id: "r", sheetId: 7, layout, rows: [150] },
    ]);
    await run(onTick(facts));
    expect(posts()[1]?.readings).toMatchObject([
      { want: "c", at: { row: 100, column: 2 }, size: { rows: 0, columns: 3 }, cells: [], sheetRows: 100 },
      { want: "d", from: 100, to: 100, digests: "", sheetRows: 100 },
      { want: "r", rows: [], sheetRows: 100 },
    ]);
  });

  test("of a sheet that is gone is answered by the sheets that there are", async () => {
    wants.push([{ kind: "rows", id: "w", sheetId: 99, layout, rows: [1] }]);
    await run(onTick(facts));
    expect(posts()[1]?.readings).toEqual([expect.objectContaining({ kind: "sheets", want: "w" })]);
  });

  test("of a sheet that grows each time it is looked at is answered by the sheets, and the run goes on", async () => {
    wants.push([{ kind: "rows", id: "w", sheetId: 7, layout, rows: [1] }], [{ kind: "sheets", id: "next" }]);
    world.put(7, 0, 0, [["a"], ["b"]]);
    world.before = (effect) => {
      if (effect === "formulas") for (const sheet of world.sheets) sheet.rows += 1;
    };
    await run(onTick(facts));
    expect(posts().map((post) => post.readings.map(({ kind, want }) => [kind, want]))).toEqual([
      [
        ["alive", undefined],
        ["sheets", undefined],
      ],
      [["sheets", "w"]],
      [["sheets", "next"]],
    ]);
  });

  test("goes on until the relay has no more to ask", async () => {
    for (let n = 0; n < 5; n += 1) wants.push([{ kind: "sheets", id: `w${n}` }]);
    await run(onTick(facts));
    expect(posts().map((post) => [post.n, post.readings[0]?.want])).toEqual([
      [0, undefined],
      [1, "w0"],
      [2, "w1"],
      [3, "w2"],
      [4, "w3"],
      [5, "w4"],
    ]);
  });

  test("ends with the run's allowance: an edit's is short", async () => {
    let asked = 0;
    world.before = (effect) => {
      if (effect === "send") wants.push([{ kind: "sheets", id: `endless ${(asked += 1)}` }]);
      if (effect === "send") world.advance(3_000);
    };
    await typed(0, 0, "x");
    expect(world.posts.length).toBeGreaterThan(3);
    expect(world.posts.length).toBeLessThan(10);
    expect(posts().at(-1)?.allowance.spentMs).toBeLessThan(25_000);
  });

  test("is not answered for ever when the relay keeps asking the same", async () => {
    for (let n = 0; n < 50; n += 1) wants.push([{ kind: "sheets", id: "again" }]);
    await run(onTick(facts));
    expect(world.posts).toHaveLength(4);
  });

  test("of a kind that this script does not know is left alone", async () => {
    wants.push([{ kind: "write", id: "w" } as unknown as Want, { kind: "cells", id: "x" } as unknown as Want]);
    await run(onTick(facts));
    expect(world.posts).toHaveLength(1);
  });
});

describe("when the relay does not take a post", () => {
  const down: Sent = { reached: false, code: "unreachable" };

  test("it is sent once more, as the same message newly stamped", async () => {
    failures.push(down);
    world.before = (effect) => {
      if (effect === "sleep") world.advance(1_000);
    };
    await typed(0, 0, "x");
    const [first, second] = world.posts;
    expect(world.posts).toHaveLength(2);
    expect([second?.id, second?.body]).toEqual([first?.id, first?.body]);
    expect(Number(second?.timestamp)).toBeGreaterThan(Number(first?.timestamp));
    expect(stored()).toEqual([]);
  });

  test("the edit is kept as a range without its contents, and read again at the next chance", async () => {
    failures.push(down, { reached: true, status: 503, text: "busy" });
    await typed(3, 1, "canary-4711", { email: "ada@example.com" });
    expect(stored()).toEqual([
      expect.objectContaining({
        place: { sheetId: 7, row: 3, column: 1, rows: 1, columns: 1 },
        cause: "edit",
        actor: "ada@example.com",
      }),
    ]);
    expect(JSON.stringify(world.properties) + world.lines.join()).not.toContain("canary");
    world.put(7, 3, 1, [["newer"]]);
    await typed(9, 0, "y");
    const [edit, again] = posts().slice(2);
    expect(edit?.readings[0]).toMatchObject({ at: { row: 9, column: 0 } });
    expect(again).toMatchObject({ cause: "edit", actor: "ada@example.com", n: 1 });
    expect(again?.readings[0]).toMatchObject({ at: { row: 3, column: 0 }, cells: [[null, "newer"]] });
    expect(stored()).toEqual([]);
  });

  test("edits that touch are kept as one range", async () => {
    for (let row = 0; row < 20; row += 1) {
      failures.push(down, down);
      await typed(row, 2, "x");
    }
    expect(stored().map((one) => one.place)).toEqual([{ sheetId: 7, row: 0, column: 2, rows: 20, columns: 1 }]);
  });

  test("a key that is no longer accepted is not tried again in that run, and the error is told once it is", async () => {
    failures.push({ reached: true, status: 401, text: JSON.stringify({ code: "unauthorized" }) });
    await typed(0, 0, "x");
    expect(world.posts).toHaveLength(1);
    expect(settingsOf(world.properties).lastError).toMatchObject({ code: "unauthorized" });
    expect(stored()).toHaveLength(1);
    await run(onTick(facts));
    expect(posts()[1]?.readings[0]).toMatchObject({ kind: "alive", lastError: { code: "unauthorized" } });
    expect(settingsOf(world.properties).lastError).toBeUndefined();
    expect(stored()).toEqual([]);
  });

  test("a structure change is kept and told at the next chance", async () => {
    failures.push(down, down);
    await run(onChange({ ...facts, changeType: "INSERT_ROW" }));
    expect(stored()).toEqual([expect.objectContaining({ place: "sheets", cause: "change:INSERT_ROW" })]);
    await run(onTick(facts));
    expect(posts().at(-1)).toMatchObject({ cause: "change:INSERT_ROW", readings: [{ kind: "sheets" }] });
    expect(stored()).toEqual([]);
  });

  test("something that answers but is no relay counts as not reached", async () => {
    failures.push({ reached: true, status: 200, text: "<html>" }, { reached: true, status: 302, text: "" });
    await typed(0, 0, "x");
    expect(settingsOf(world.properties).lastError?.code).toBe("not-a-relay");
    expect(stored()).toHaveLength(1);
  });

  test("two runs that fail at the same time both leave their ranges", async () => {
    failures.push(down, down, down, down);
    world.eventRange = { sheetId: 7, row: 1, column: 1, rows: 1, columns: 1 };
    const one = run(onEdit({ ...facts, oldValue: undefined }));
    const other = (async () => {
      await Promise.resolve();
      world.eventRange = { sheetId: 7, row: 50, column: 1, rows: 1, columns: 1 };
      await run(onEdit({ ...facts, oldValue: undefined }));
    })();
    await Promise.all([one, other]);
    world.isLockTaken = true;
    failures.push(down, down);
    await typed(90, 0, "x");
    world.isLockTaken = false;
    expect(stored().length).toBeGreaterThanOrEqual(2);
    expect(stored().map((kept) => typeof kept.place === "object" && kept.place.row)).toContain(90);
    await run(onTick(facts));
    expect(stored()).toEqual([]);
  });

  test("a read that Google fails is remembered too, and the fault goes on to whoever logs it", async () => {
    world.before = (effect) => {
      if (effect === "formulas") throw new Error("Service Spreadsheets timed out while accessing canary-cell");
    };
    world.eventRange = { sheetId: 7, row: 4, column: 0, rows: 2, columns: 1 };
    await expect(run(onEdit({ ...facts, oldValue: undefined }))).rejects.toThrow("Service Spreadsheets");
    expect(stored().map((one) => one.place)).toEqual([{ sheetId: 7, row: 4, column: 0, rows: 2, columns: 1 }]);
    expect(settingsOf(world.properties).lastError?.code).toBe("timeout");
    expect(JSON.stringify(world.properties)).not.toContain("canary");
  });
});

describe("a post that is too large", () => {
  test("is split as the relay asks", async () => {
    world.put(
      7,
      0,
      0,
      Array.from({ length: 40 }, (_, row) => [`${row} ${"x".repeat(1_000)}`]),
    );
    const range = { startRowIndex: 0, endRowIndex: 40, startColumnIndex: 0, endColumnIndex: 1 };
    wants.push([{ kind: "cells", id: "w", sheetId: 7, layout: 1, range }]);
    const relay = { rows: [] as unknown[] };
    world.before = (effect, details) => {
      if (effect !== "send") return;
      const { body } = details as SentPost;
      if (body.length > 10_000)
        failures.push({ reached: true, status: 413, text: JSON.stringify({ code: "too-large", maxBytes: 10_000 }) });
      else
        for (const reading of parse(details as SentPost).readings)
          if (reading.kind === "cells") relay.rows.push(...reading.cells.map((row) => row[0]));
    };
    await run(onTick(facts));
    expect(relay.rows).toHaveLength(40);
    expect(new Set(relay.rows).size).toBe(40);
    // Only with the last part is the want answered.
    const answers = posts().flatMap((post) => post.readings.filter((one) => one.want === "w"));
    expect(answers).toHaveLength(2);
    expect(posts().at(-1)?.readings.at(-1)?.want).toBe("w");
  });

  test("by contents of many megabytes arrives in posts that the relay takes", async () => {
    ({ world, wants, failures } = connected({ rows: 200, columns: 2 }));
    world.put(
      7,
      0,
      0,
      Array.from({ length: 150 }, (_, row) => ["ü".repeat(40_000), row]),
    );
    wants.push([{ kind: "rows", id: "w", sheetId: 7, layout: 1, rows: Array.from({ length: 150 }, (_, row) => row) }]);
    await run(onTick(facts));
    const sizes = world.posts.map((post) => Buffer.byteLength(post.body));
    expect(Math.max(...sizes)).toBeLessThan(limits.postMaxBytes);
    const rows = posts().flatMap((post) =>
      post.readings.flatMap((one) => (one.kind === "rows" ? one.rows.map(([row]) => row) : [])),
    );
    expect(rows).toEqual(Array.from({ length: 150 }, (_, row) => row));
  });

  test("one row that alone is too large travels as cells, part by part", async () => {
    ({ world, wants, failures } = connected({ rows: 2, columns: 100 }));
    world.put(7, 0, 0, [Array.from({ length: 100 }, (_, column) => `${column} ${"x".repeat(49_000)}`)]);
    wants.push([{ kind: "rows", id: "w", sheetId: 7, layout: 1, rows: [0] }]);
    await run(onTick(facts));
    const parts = posts()
      .flatMap((post) => post.readings)
      .filter((one) => one.kind === "cells");
    expect(parts.map((part) => [part.at.column, part.want])).toEqual([
      [0, undefined],
      [50, "w"],
    ]);
    expect(parts.reduce((sum, part) => sum + (part.size?.columns ?? 0), 0)).toBe(100);
  });
});

describe("a check", () => {
  test("every ten minutes says which triggers there are, the sheets, and where the web app is", async () => {
    world.triggers = [
      { uid: "111", handler: "handleEdit" },
      { uid: "5", handler: "somebodyElses" },
    ];
    world.webApp = "https://script.google.com/macros/s/x/exec";
    await run(onTick(facts));
    expect(posts()[0]).toMatchObject({
      cause: "sweep",
      readings: [
        { kind: "alive", triggers: ["handleEdit"], webApp: "https://script.google.com/macros/s/x/exec" },
        { kind: "sheets", spreadsheet: { sheets: [{ sheetId: 7, title: "Plan", rows: 100, columns: 5 }] } },
      ],
    });
    expect(posts()[0]?.actor).toBeUndefined();
  });

  test("asked for by a person answers whether the relay has what it wants", async () => {
    expect(await run(onWish("manual", 1_000))).toMatchObject({ kind: "delivered", wantsLeft: 0 });
    expect(posts()[0]?.cause).toBe("manual");
    failures.push({ reached: false, code: "dns" }, { reached: false, code: "dns" });
    expect(await run(onWish("manual", 1_000))).toMatchObject({ kind: "failed", code: "dns" });
    world.properties = {};
    expect(await run(onWish("manual", 1_000))).toEqual({ kind: "not-connected" });
  });

  test("of an installer who was followed by another removes that person's triggers", async () => {
    world.triggers = [
      { uid: "999", handler: "handleTick" },
      { uid: "5", handler: "somebodyElses" },
    ];
    await run(onTick({ triggerUid: "999", email: undefined }));
    expect(world.posts).toEqual([]);
    expect(world.triggers).toEqual([{ uid: "5", handler: "somebodyElses" }]);
  });
});

test("two runs inside one spreadsheet both tell what they saw: A reads, somebody types, B reads and posts, A posts", async () => {
  world.eventRange = { sheetId: 7, row: 0, column: 0, rows: 1, columns: 1 };
  world.put(7, 0, 0, [["first"]]);
  let second: Promise<void> | undefined;
  world.before = async (effect) => {
    if (effect !== "displays" || second) return;
    world.put(7, 0, 0, [["second"]]);
    second = run(onEdit({ ...facts, oldValue: "first" }));
    await second;
  };
  await run(onEdit({ ...facts, oldValue: undefined }));
  const told = posts().map((post) => (post.readings[0] as ReadingOf<"cells">).cells[0]?.[0]);
  expect(told[0]).toBe("second");
  expect(told).toHaveLength(2);
});
