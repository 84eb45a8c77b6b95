import { createHmac, randomBytes } from "node:crypto";
import { beforeEach, describe, expect, test } from "vitest";
import type { Cell, Post, PostAnswer, Reading } from "@sheetwire/shared/protocol";
import { DiskFullError, type ChangeLog, type DamagedError } from "../log/log.ts";
import { createMemoryLog } from "../log/engines/memory.ts";
import { createLogger } from "../telemetry/telemetry.ts";
import { SheetDouble } from "../wants/sheet-double.ts";
import { createIngest, type Ingest, type PostHeaders } from "./ingest.ts";

const key = randomBytes(32);
let now = 1_800_000_000_000;
let log: ChangeLog;
let ingest: Ingest;
let sheet: SheetDouble;
let posts = 0;

const open = (holdBytes?: number): Ingest =>
  createIngest({
    log,
    ...(holdBytes === undefined ? {} : { holdBytes }),
    keysOf: (spreadsheetId) => (spreadsheetId === sheet.spreadsheetId ? [key] : []),
    now: () => now,
    onFault: rethrow,
  });
const rethrow = (error: unknown): void => {
  throw error;
};

beforeEach(() => {
  now = 1_800_000_000_000;
  sheet = new SheetDouble([{ sheetId: 7, title: "One", columns: 3, rows: [["a", "b", "c"], ["d"], []] }]);
  sheet.now = now;
  log = createMemoryLog({ randomId: () => "epoch-1" });
  ingest = open();
});

function sign(
  body: Buffer,
  over: Partial<Record<keyof PostHeaders, string | undefined>> = {},
  by: Buffer = key,
): PostHeaders {
  posts += 1;
  const id = `msg_${posts}`;
  const timestamp = String(Math.floor(now / 1000));
  const used = { id, timestamp, ...over };
  const hmac = createHmac("sha256", by).update(`${used.id}.${used.timestamp}.`).update(body).digest("base64");
  return { id: used.id, timestamp: used.timestamp, signature: `v1,${hmac}`, ...over };
}

const bodyOf = (post: unknown): Buffer => Buffer.from(JSON.stringify(post));
const send = (post: unknown): Promise<Awaited<ReturnType<Ingest["take"]>>> => {
  const body = bodyOf(post);
  return ingest.take(sheet.spreadsheetId, sign(body), body);
};

async function copy(): Promise<void> {
  const run = sheet.newRun();
  let readings: Reading[] = [sheet.sheets()];
  for (let n = 0; n < 20 && readings.length > 0; n += 1) {
    const result = await send(sheet.post(run, n, "install", readings));
    if (!result.ok) throw new Error(result.code);
    const { wants } = JSON.parse(result.answer) as PostAnswer;
    readings = wants.map((want) => sheet.answer(want));
  }
  now += 10_000;
  sheet.now = now;
}

const held = async (): Promise<Cell[][]> => {
  const state = await ingest.stateOf(sheet.spreadsheetId);
  return [0, 1, 2].map((row) => state?.row(7, row) ?? []);
};

/** Everything that could have changed, to show that nothing did. */
const record = async (): Promise<unknown> => [await log.head(sheet.spreadsheetId), await log.desk(sheet.spreadsheetId)];

test("how a spreadsheet that rests stands is told without reading it from the store", async () => {
  ingest = open(0);
  await copy();
  now += 60_000;
  const before = await ingest.factsOf(sheet.spreadsheetId);
  expect(ingest.heldBytes()).toBe(0);
  const { readAfter } = log;
  let reads = 0;
  log.readAfter = (...asked) => {
    reads += 1;
    return readAfter(...asked);
  };
  expect(await ingest.factsOf(sheet.spreadsheetId)).toEqual(before);
  expect([reads, ingest.heldBytes()]).toEqual([0, 0]);
  expect(await held()).toEqual([["a", "b", "c"], ["d"], []]);
  expect(reads).toBeGreaterThan(0);
});

test("a first copy is durable when it is answered, and the same after a restart", async () => {
  await copy();
  expect(await held()).toEqual([["a", "b", "c"], ["d"], []]);
  const before = (await ingest.stateOf(sheet.spreadsheetId))?.digest();
  ingest = open();
  expect(await held()).toEqual([["a", "b", "c"], ["d"], []]);
  expect((await ingest.stateOf(sheet.spreadsheetId))?.digest()).toBe(before);
});

test.each([
  ["quick", 0, 1],
  ["slow", 20, 12],
])("posts that come together share a commit as far as they are %s to fold, and all are taken", async (_, ms, most) => {
  await copy();
  let commits = 0;
  const { append } = log;
  log.append = (group) => {
    commits += 1;
    return append(group);
  };
  // As if each look at the clock came so many milliseconds after the one before.
  let looks = 0;
  ingest = createIngest({ log, keysOf: () => [key], now: () => now + ms * (looks += 1), onFault: rethrow });
  const run = sheet.newRun();
  const results = await Promise.all(
    Array.from({ length: 12 }, (_post, n) => send(sheet.post(run, n, "edit", [sheet.edit(7, 0, 0, 1, 1)]))),
  );
  expect(results.filter(({ ok }) => ok)).toHaveLength(12);
  expect(commits).toBe(most);
});

describe("a refusal changes nothing:", () => {
  const edit = (): Post => sheet.post("run-edit-1", 0, "edit", [sheet.edit(7, 0, 0, 1, 1)]);
  const cases: [string, () => { body: Buffer; headers: PostHeaders; id?: string }, string][] = [
    [
      "unsigned",
      () => ({ body: bodyOf(edit()), headers: { id: "x", timestamp: "1", signature: undefined } }),
      "unauthorized",
    ],
    [
      "signed with another key",
      () => ({ body: bodyOf(edit()), headers: sign(bodyOf(edit()), {}, randomBytes(32)) }),
      "unauthorized",
    ],
    ["signed for another body", () => ({ body: bodyOf(edit()), headers: sign(Buffer.from("{}")) }), "unauthorized"],
    [
      "stamped six minutes ago",
      () => ({ body: bodyOf(edit()), headers: sign(bodyOf(edit()), { timestamp: String(now / 1000 - 360) }) }),
      "unauthorized",
    ],
    [
      "stamped six minutes ahead",
      () => ({ body: bodyOf(edit()), headers: sign(bodyOf(edit()), { timestamp: String(now / 1000 + 360) }) }),
      "unauthorized",
    ],
    [
      "for an unknown spreadsheet",
      () => ({ body: bodyOf(edit()), headers: sign(bodyOf(edit())), id: "unknown-0001" }),
      "unauthorized",
    ],
    ["cut short", () => plain(bodyOf(edit()).subarray(0, 100)), "malformed"],
    ["not UTF-8", () => plain(Buffer.from([0x22, 0xff, 0x22])), "malformed"],
    ["not a post", () => plain(bodyOf({ hello: 1 })), "malformed"],
    ["of a newer protocol", () => plain(bodyOf({ ...edit(), protocol: 2 })), "protocol-too-old"],
    ["with too few digests", () => plain(bodyOf(withReading({ ...digests(), to: 2 }))), "malformed"],
    ["with digests beyond the sheet", () => plain(bodyOf(withReading({ ...digests(), sheetRows: 0 }))), "malformed"],
    [
      "with a negative row",
      () => plain(bodyOf(withReading({ ...sheet.edit(7, 0, 0, 1, 1), at: { row: -1, column: 0 } }))),
      "malformed",
    ],
    [
      "with 1,000,000,000 rows",
      () => plain(bodyOf(withReading({ ...sheet.edit(7, 0, 0, 1, 1), sheetRows: 1e9 }))),
      "malformed",
    ],
    [
      "with cells beyond the sheet",
      () => plain(bodyOf(withReading({ ...sheet.edit(7, 0, 0, 1, 1), sheetRows: 0 }))),
      "malformed",
    ],
    [
      "with a sheet of more cells than there can be",
      () => plain(bodyOf(withReading({ ...sheet.edit(7, 0, 0, 1, 1), sheetRows: 10_000_000, sheetColumns: 5 }))),
      "malformed",
    ],
    [
      "that tells of millions of blank rows",
      () =>
        plain(
          bodyOf({
            ...sheet.post("run-bad-01", 0, "edit", []),
            readings: Array.from({ length: 3 }, () => ({
              ...sheet.edit(7, 0, 0, 1, 1),
              at: { row: 0, column: 0 },
              cells: [],
              edited: undefined,
              size: { rows: 1_000_000, columns: 1 },
              sheetRows: 1_000_000,
            })),
          }),
        ),
      "malformed",
    ],
    [
      "with sheets of ten million rows without columns",
      () => {
        const told = sheet.sheets();
        if (told.kind !== "sheets") throw new Error("No list of sheets.");
        const [first] = told.spreadsheet.sheets;
        const many = Array.from({ length: 10 }, (_, at) => ({ ...first, sheetId: at, rows: 10_000_000, columns: 0 }));
        return plain(bodyOf(withReading({ ...told, spreadsheet: { ...told.spreadsheet, sheets: many } })));
      },
      "malformed",
    ],
    [
      "with one row twice",
      () =>
        plain(
          bodyOf(
            withReading({
              kind: "rows",
              readAt: [1, 2],
              sheetId: 7,
              rows: [
                [0, ["x"]],
                [0, ["y"]],
              ],
            }),
          ),
        ),
      "malformed",
    ],
    [
      "of 150,000 cells that are none",
      () =>
        plain(
          bodyOf(
            withReading({
              ...sheet.edit(7, 0, 0, 1, 1),
              cells: Array.from({ length: 150 }, () => Array.from({ length: 1_000 }, () => ({}))),
            }),
          ),
        ),
      "malformed",
    ],
    [
      "with a cell of 50,001 characters",
      () => plain(bodyOf(withReading({ ...sheet.edit(7, 0, 0, 1, 1), cells: [["x".repeat(50_001)]] }))),
      "malformed",
    ],
  ];
  const plain = (body: Buffer): { body: Buffer; headers: PostHeaders } => ({ body, headers: sign(body) });
  const withReading = (reading: unknown): unknown => ({
    ...sheet.post("run-bad-01", 0, "edit", []),
    readings: [reading],
  });
  const digests = (): Record<string, unknown> => {
    const want = { kind: "digests", id: "w", sheetId: 7, layout: 1, axis: "rows", from: 0, to: 1 } as const;
    return { ...sheet.answer(want) };
  };

  test.each(cases)("a post %s", async (_, make, code) => {
    await copy();
    sheet.grid(7).rows[0] = ["changed"];
    const before = await record();
    const { body, headers, id = sheet.spreadsheetId } = make();
    expect(await ingest.take(id, headers, body)).toMatchObject({ ok: false, code });
    expect(await record()).toEqual(before);
    expect((await held())[0]).toEqual(["a", "b", "c"]);
    expect(await log.head("unknown-0001")).toBeUndefined();
  });
});

describe("a size that no spreadsheet has", () => {
  beforeEach(async () => {
    sheet = new SheetDouble([{ sheetId: 7, title: "One", columns: 20, rows: [["a", "b", "c"], ["d"], []] }]);
    sheet.now = now;
    await copy();
  });

  test("is not believed when digests tell of it: what sheets there are is asked first", async () => {
    const { seq } = (await log.head(sheet.spreadsheetId))!;
    const told = { kind: "digests", readAt: [now, now], sheetId: 7, axis: "rows", from: 0, to: 0, digests: "" };
    const reading = { ...told, usedRows: 0, usedColumns: 0, sheetRows: 10_000_000 };
    const answer = await send({ ...sheet.post("run-bad-01", 0, "edit", []), readings: [reading] });
    if (!answer.ok) throw new Error(answer.code);
    expect((JSON.parse(answer.answer) as PostAnswer).wants.map(({ kind }) => kind)).toContain("sheets");
    expect((await log.head(sheet.spreadsheetId))!.seq).toBe(seq);
  });

  test("nor is a row wider than its sheet put into it", async () => {
    const { seq } = (await log.head(sheet.spreadsheetId))!;
    const wide = Array.from({ length: 21 }, (_, at) => at);
    const reading = { kind: "rows", readAt: [now + 1_000, now + 1_000], sheetId: 7, rows: [[1, wide]] };
    now += 2_000;
    const answer = await send({ ...sheet.post("run-bad-02", 0, "edit", []), readings: [reading] });
    expect(answer.ok).toBe(true);
    expect((await log.head(sheet.spreadsheetId))!.seq).toBe(seq);
  });
});

describe("a post that comes again", () => {
  test("is answered as the first time and stored once", async () => {
    await copy();
    sheet.grid(7).rows[0] = ["new", "b", "c"];
    const body = bodyOf(sheet.post("run-edit-1", 0, "edit", [sheet.edit(7, 0, 0, 1, 1)]));
    const headers = sign(body);
    const first = await ingest.take(sheet.spreadsheetId, headers, body);
    const { seq } = (await log.head(sheet.spreadsheetId))!;
    now += 60_000;
    const again = sign(body, { id: headers.id });
    expect(await ingest.take(sheet.spreadsheetId, again, body)).toEqual(first);
    expect((await log.head(sheet.spreadsheetId))!.seq).toBe(seq);
  });

  test("at the same moment is stored once", async () => {
    await copy();
    sheet.grid(7).rows[0] = ["new", "b", "c"];
    const body = bodyOf(sheet.post("run-edit-1", 0, "edit", [sheet.edit(7, 0, 0, 1, 1)]));
    const headers = sign(body);
    const { seq } = (await log.head(sheet.spreadsheetId))!;
    const answers = await Promise.all([1, 2, 3].map(() => ingest.take(sheet.spreadsheetId, headers, body)));
    expect(new Set(answers.map((one) => JSON.stringify(one))).size).toBe(1);
    expect((await log.head(sheet.spreadsheetId))!.seq).toBe(seq + 1);
  });

  test("with another body is refused, also after a restart", async () => {
    await copy();
    const one = bodyOf(sheet.post("run-edit-1", 0, "edit", []));
    const other = bodyOf(sheet.post("run-edit-1", 1, "edit", []));
    const headers = sign(one);
    await ingest.take(sheet.spreadsheetId, headers, one);
    ingest = open();
    const before = await record();
    expect(await ingest.take(sheet.spreadsheetId, sign(other, { id: headers.id }), other)).toEqual({
      ok: false,
      code: "id-reused",
    });
    expect(await record()).toEqual(before);
  });
});

test("when the commit fails every post of the group is refused and memory is what the store holds", async () => {
  await copy();
  const append = log.append.bind(log);
  log.append = () => Promise.reject(new DiskFullError("no room"));
  sheet.grid(7).rows[0] = ["lost", "b", "c"];
  const edit = (): Post => sheet.post(sheet.newRun(), 0, "edit", [sheet.edit(7, 0, 0, 1, 1)]);
  expect(await Promise.all([send(edit()), send(edit())])).toMatchObject([{ code: "disk-full" }, { code: "disk-full" }]);
  log.append = append;
  expect((await held())[0]).toEqual(["a", "b", "c"]);
  expect(await send(edit())).toMatchObject({ ok: true });
  expect((await held())[0]).toEqual(["lost", "b", "c"]);
});

test("what was refused for want of room is believed when it is sent again, and not over what was read later", async () => {
  await copy();
  const append = log.append.bind(log);
  const typed = (text: string): Post => {
    sheet.grid(7).rows[0] = [text, "b", "c"];
    now += 1_000;
    sheet.now = now;
    return sheet.post(sheet.newRun(), 0, "edit", [sheet.edit(7, 0, 0, 1, 1)]);
  };
  const [one, two] = [typed("one"), typed("two")];
  now += 100;
  log.append = () => Promise.reject(new DiskFullError("no room"));
  for (const post of [one, two]) expect(await send(post)).toMatchObject({ code: "disk-full" });
  log.append = append;
  expect(await send(two)).toMatchObject({ ok: true });
  expect((await held())[0]).toEqual(["two", "b", "c"]);
  expect(await send(one)).toMatchObject({ ok: true });
  expect((await held())[0]).toEqual(["two", "b", "c"]);
});

test("posts of one turn share a commit", async () => {
  await copy();
  let commits = 0;
  const append = log.append.bind(log);
  log.append = (group) => {
    commits += 1;
    return append(group);
  };
  const edits = Array.from({ length: 20 }, (_, at) => {
    sheet.grid(7).rows[1] = [`v${at}`];
    return sheet.post(sheet.newRun(), 0, "edit", [sheet.edit(7, 1, 0, 1, 1)]);
  });
  await Promise.all(edits.map(send));
  expect(commits).toBeLessThanOrEqual(3);
});

test("a log whose entries do not add up to its head is named, never served as good, and read anew", async () => {
  await copy();
  const before = await log.head(sheet.spreadsheetId);
  const readAfter = log.readAfter.bind(log);
  log.readAfter = async (spreadsheetId, seq, maxBytes) => (await readAfter(spreadsheetId, seq, maxBytes)).slice(0, -1);
  const named: DamagedError[] = [];
  ingest = createIngest({
    log,
    keysOf: () => [key],
    now: () => now,
    onFault: (error) => {
      throw error;
    },
    onDamage: (damage) => void named.push(damage),
  });
  expect(await held()).toEqual([[], [], []]);
  expect(named).toMatchObject([{ spreadsheetId: sheet.spreadsheetId, throughSeq: before?.seq }]);
  log.readAfter = readAfter;
  await copy();
  expect(await held()).toEqual([["a", "b", "c"], ["d"], []]);
});

test("a fault is logged by its kind and place, and refused without a word of what it says", async () => {
  await copy();
  const lines: string[] = [];
  const logger = createLogger("info", { write: (line) => void lines.push(line) });
  ingest = createIngest({ log, keysOf: () => [key], now: () => now, onFault: (err) => logger.error({ err }, "fault") });
  log.append = () => Promise.reject(new SyntaxError('Unexpected token in "what somebody typed"'));
  sheet.grid(7).rows[0] = ["new", "b", "c"];
  const result = await send(sheet.post("run-edit-1", 0, "edit", [sheet.edit(7, 0, 0, 1, 1)]));
  expect(result).toMatchObject({ ok: false, code: "internal" });
  expect(lines.join("")).toContain("SyntaxError");
  expect(lines.join("") + JSON.stringify(result)).not.toContain("what somebody typed");
});
