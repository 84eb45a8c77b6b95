/** The numbered promises of a log as tests, run by every engine. */
import { FIRST_CHAIN, nextChain } from "@sheetwire/shared/digest";
import { limits } from "@sheetwire/shared/limits";
import { describe, expect, test } from "vitest";
import {
  HeadMovedError,
  laterPart,
  type Append,
  type ChangeLog,
  type Entry,
  type Head,
  type NewEntry,
  type TakenPost,
} from "./log.ts";

/** A change as far as a log cares: a JSON object with a seq. The text holds what would break a careless splitter. */
const changeOf = (seq: number, text: string): string => JSON.stringify({ seq, text, nested: [{ "}": "]," }, [[]]] });

/** An entry that continues `head` with one change for each text. */
export function entryAfter(head: Head, texts: readonly string[]): NewEntry {
  const changes = texts.map((text, offset) => changeOf(head.seq + 1 + offset, text));
  const chain = changes.reduce(nextChain, head.chain);
  return { firstSeq: head.seq + 1, lastSeq: head.seq + texts.length, json: `[${changes.join(",")}]`, chain };
}

export const headAfter = (head: Head, entry: NewEntry): Head => ({
  epoch: head.epoch,
  seq: entry.lastSeq,
  chain: entry.chain,
});

/** Appends one entry and answers the new head. */
export async function appendTo(log: ChangeLog, spreadsheetId: string, ...texts: string[]): Promise<Head> {
  const head = await log.create(spreadsheetId);
  const entry = entryAfter(head, texts);
  await log.append([{ spreadsheetId, expected: head, entry }]);
  return headAfter(head, entry);
}

const post = (webhookId: string, takenAt = 1_000): TakenPost => ({
  webhookId,
  bodyHash: "b0d1",
  answer: '{"seq":1}',
  takenAt,
});

export function changeLogContract(open: () => Promise<ChangeLog>): void {
  const readAll = async (log: ChangeLog, spreadsheetId: string, seq = 0): Promise<Entry[]> => {
    const all: Entry[] = [];
    for (let at = seq; ;) {
      const some = await log.readAfter(spreadsheetId, at, 1);
      if (some.length === 0) return all;
      all.push(...some);
      at = some.at(-1)?.lastSeq ?? at;
    }
  };

  const stateOf = async (log: ChangeLog): Promise<unknown> => {
    const stored = await log.state("sheet-1");
    if (!stored) return undefined;
    const lines: string[] = [];
    for await (const line of stored.lines) lines.push(line);
    return { head: stored.head, lines };
  };

  describe("what a log promises", () => {
    test("L1 seq counts without holes and the chain is that of the changes in order", async () => {
      const log = await open();
      let head = await log.create("sheet-1");
      expect(head).toMatchObject({ seq: 0, chain: FIRST_CHAIN });
      for (const texts of [["a"], ["b", "c"], ["d"]]) {
        const entry = entryAfter(head, texts);
        await log.append([{ spreadsheetId: "sheet-1", expected: head, entry }]);
        head = headAfter(head, entry);
        expect(await log.head("sheet-1")).toEqual(head);
      }
      const stored = (await readAll(log, "sheet-1")).flatMap((entry) => JSON.parse(entry.json) as { seq: number }[]);
      expect(stored.map((change) => change.seq)).toEqual([1, 2, 3, 4]);
    });

    test("L1 an entry that leaves a hole, or repeats, is a fault and stores nothing", async () => {
      const log = await open();
      const head = await appendTo(log, "sheet-1", "a", "b");
      const good = entryAfter(head, ["c"]);
      for (const wrong of [
        { ...good, firstSeq: 4, lastSeq: 4 },
        { ...good, firstSeq: 2, lastSeq: 2 },
        { ...good, lastSeq: 2 },
      ]) {
        await expect(log.append([{ spreadsheetId: "sheet-1", expected: head, entry: wrong }])).rejects.toThrow(
          RangeError,
        );
      }
      await expect(
        log.append([{ spreadsheetId: "sheet-1", expected: head, entry: { ...good, chain: "not a chain" } }]),
      ).rejects.toThrow(RangeError);
      expect(await log.head("sheet-1")).toEqual(head);
      expect(await readAll(log, "sheet-1")).toHaveLength(1);
    });

    test("L3 a group is stored whole, in order, also several appends to one spreadsheet", async () => {
      const log = await open();
      const one = await log.create("sheet-1");
      const two = await log.create("sheet-2");
      const first = entryAfter(one, ["a"]);
      const second = entryAfter(headAfter(one, first), ["b"]);
      await log.append([
        { spreadsheetId: "sheet-1", expected: one, entry: first, post: post("p1"), desk: '{"n":1}' },
        { spreadsheetId: "sheet-2", expected: two, post: post("p1"), desk: '{"n":2}' },
        { spreadsheetId: "sheet-1", expected: headAfter(one, first), entry: second, desk: '{"n":3}' },
      ]);
      expect(await log.head("sheet-1")).toEqual(headAfter(one, second));
      expect(await log.desk("sheet-1")).toBe('{"n":3}');
      expect(await log.desk("sheet-2")).toBe('{"n":2}');
      expect(await log.takenPost("sheet-2", "p1")).toEqual(post("p1"));
    });

    test("L3 one bad append of a group and nothing of the group is stored or told of", async () => {
      const log = await open();
      const one = await log.create("sheet-1");
      const two = await log.create("sheet-2");
      const told: string[] = [];
      log.follow((spreadsheetId) => told.push(spreadsheetId));
      const bad: Append = { spreadsheetId: "sheet-2", expected: { ...two, seq: 9 }, entry: entryAfter(two, ["b"]) };
      await expect(
        log.append([
          { spreadsheetId: "sheet-1", expected: one, entry: entryAfter(one, ["a"]), post: post("p1"), desk: "{}" },
          bad,
        ]),
      ).rejects.toThrow(HeadMovedError);
      expect(await log.head("sheet-1")).toEqual(one);
      expect(await log.takenPost("sheet-1", "p1")).toBeUndefined();
      expect(await log.desk("sheet-1")).toBeUndefined();
      expect(told).toEqual([]);
    });

    test("L4 whoever folded against another head is told so", async () => {
      const log = await open();
      const before = await log.create("sheet-1");
      const head = await appendTo(log, "sheet-1", "a");
      for (const expected of [before, { ...head, epoch: "another" }, { ...head, chain: FIRST_CHAIN }]) {
        const append = { spreadsheetId: "sheet-1", expected, entry: entryAfter(expected, ["b"]) };
        await expect(log.append([append])).rejects.toThrow(HeadMovedError);
      }
      await expect(
        log.append([{ spreadsheetId: "nobody", expected: head, entry: entryAfter(head, ["b"]) }]),
      ).rejects.toThrow(HeadMovedError);
      expect(await readAll(log, "sheet-1")).toHaveLength(1);
    });

    test("L5 a post is remembered with its answer, for its spreadsheet alone, until it is old", async () => {
      const log = await open();
      const one = await log.create("sheet-1");
      await log.create("sheet-2");
      await log.append([{ spreadsheetId: "sheet-1", expected: one, post: post("old", 1_000) }]);
      await log.append([{ spreadsheetId: "sheet-1", expected: one, post: post("new", 2_000) }]);
      expect(await log.takenPost("sheet-1", "old")).toEqual(post("old", 1_000));
      expect(await log.takenPost("sheet-2", "old")).toBeUndefined();
      await log.forgetPosts(2_000);
      expect(await log.takenPost("sheet-1", "old")).toBeUndefined();
      expect(await log.takenPost("sheet-1", "new")).toEqual(post("new", 2_000));
    });

    test("L3 a post is not stored twice, whatever comes with it", async () => {
      const log = await open();
      const head = await log.create("sheet-1");
      await log.append([{ spreadsheetId: "sheet-1", expected: head, post: post("p1") }]);
      const again: Append = {
        spreadsheetId: "sheet-1",
        expected: head,
        entry: entryAfter(head, ["a"]),
        post: post("p1"),
      };
      await expect(log.append([again])).rejects.toThrow(HeadMovedError);
      expect(await log.head("sheet-1")).toEqual(head);
    });

    test("L6 reading begins at the entry that holds the next seq, and bounds itself", async () => {
      const log = await open();
      await appendTo(log, "sheet-1", "a", "b", "c");
      await appendTo(log, "sheet-1", "d");
      await appendTo(log, "sheet-1", "e");
      await appendTo(log, "sheet-2", "x");
      const spans = (entries: readonly Entry[]) => entries.map((entry) => [entry.firstSeq, entry.lastSeq]);
      expect(spans(await log.readAfter("sheet-1", 0, 1_000_000))).toEqual([
        [1, 3],
        [4, 4],
        [5, 5],
      ]);
      expect(spans(await log.readAfter("sheet-1", 1, 1_000_000))).toEqual([
        [1, 3],
        [4, 4],
        [5, 5],
      ]);
      expect(spans(await log.readAfter("sheet-1", 3, 1_000_000))).toEqual([
        [4, 4],
        [5, 5],
      ]);
      expect(spans(await log.readAfter("sheet-1", 0, 1))).toEqual([[1, 3]]);
      expect(await log.readAfter("sheet-1", 5, 1_000_000)).toEqual([]);
      expect(await log.readAfter("nobody", 0, 1_000_000)).toEqual([]);
    });

    test("L6 an entry that was read can be released, and nobody else's goes with it", async () => {
      const log = await open();
      let followed: Entry | undefined;
      log.follow((_, entry) => (followed = entry));
      await appendTo(log, "sheet-1", "a", "b", "c");
      // As new, and as it stands when all housekeeping has been done.
      for (let round = 0; round < 2; round += 1) {
        const one = await log.readAfter("sheet-1", 0, 1_000_000);
        const other = await log.readAfter("sheet-1", 0, 1_000_000);
        const json = other.map((entry) => entry.json);
        for (const entry of one) entry.release();
        expect(other.map((entry) => entry.json)).toEqual(json);
        expect(followed?.json).toBe(json[0]);
        expect((await log.readAfter("sheet-1", 0, 1_000_000)).map((entry) => entry.json)).toEqual(json);
        while (await log.tidy());
      }
    });

    test("L7 followers hear of every entry once, in order, until they leave", async () => {
      const log = await open();
      const told: number[] = [];
      const stop = log.follow((_, entry) => told.push(entry.lastSeq));
      await appendTo(log, "sheet-1", "a");
      await appendTo(log, "sheet-1", "b", "c");
      stop();
      await appendTo(log, "sheet-1", "d");
      expect(told).toEqual([1, 3]);
    });

    test("L7 followers hear of each life that a log begins, before what is stored in it, and not of one that was there", async () => {
      const log = await open();
      const told: unknown[] = [];
      const stop = log.follow(
        (_, { lastSeq }, epoch) => told.push([epoch, lastSeq]),
        (spreadsheetId, head) => told.push([spreadsheetId, head]),
      );
      const { epoch: first } = await log.create("sheet-1");
      await appendTo(log, "sheet-1", "a", "b");
      const anew = await log.restart("sheet-1");
      await appendTo(log, "sheet-1", "c");
      await log.erase("sheet-1");
      const last = await log.create("sheet-1");
      stop();
      await log.restart("sheet-1");
      const created = ["sheet-1", { epoch: first, seq: 0, chain: FIRST_CHAIN }];
      expect(told).toEqual([created, [first, 2], ["sheet-1", anew], [anew?.epoch, 3], ["sheet-1", last]]);
    });

    test("L8 create changes nothing of what exists, and erase leaves nothing", async () => {
      const log = await open();
      const head = await appendTo(log, "sheet-1", "a");
      await log.append([{ spreadsheetId: "sheet-1", expected: head, post: post("p1"), desk: "{}" }]);
      await log.saveState("sheet-1", { head, lines: ["{}"] });
      expect(await log.create("sheet-1")).toEqual(head);
      await appendTo(log, "sheet-2", "stays");
      await log.erase("sheet-1");
      await log.erase("sheet-1");
      expect(await log.head("sheet-1")).toBeUndefined();
      expect(await log.takenPost("sheet-1", "p1")).toBeUndefined();
      expect(await log.desk("sheet-1")).toBeUndefined();
      expect(await log.state("sheet-1")).toBeUndefined();
      expect(await log.readAfter("sheet-1", 0, 1)).toEqual([]);
      const anew = await log.create("sheet-1");
      expect(anew).toMatchObject({ seq: 0, chain: FIRST_CHAIN });
      expect(anew.epoch).not.toBe(head.epoch);
      expect(await log.desk("sheet-1")).toBeUndefined();
      expect(await readAll(log, "sheet-2")).toHaveLength(1);
    });

    test("L9 nothing is dropped that a stored state does not hold", async () => {
      const log = await open();
      await appendTo(log, "sheet-1", "a");
      const middle = await appendTo(log, "sheet-1", "b", "c");
      await log.trim("sheet-1", 3);
      expect(await log.floor("sheet-1")).toBe(0);
      await log.saveState("sheet-1", { head: middle, lines: ["{}"] });
      await appendTo(log, "sheet-1", "d");
      const head = await appendTo(log, "sheet-1", "e");
      await log.trim("sheet-1", 2);
      // An entry goes as a whole or stays: the second still holds change 3.
      expect(await log.floor("sheet-1")).toBe(1);
      await log.trim("sheet-1", 5);
      expect(await log.floor("sheet-1")).toBe(3);
      expect((await readAll(log, "sheet-1", 3)).map((entry) => entry.firstSeq)).toEqual([4, 5]);
      expect(await log.head("sheet-1")).toEqual(head);
      expect(await log.chainAt("sheet-1", 3)).toBe(middle.chain);
      expect(await log.chainAt("sheet-1", 2)).toBeUndefined();
    });

    test("L10 the chain is known at every seq, also inside an entry, and at no other", async () => {
      const log = await open();
      const texts = ["a", 'b "quoted" \\ ] } ,', "c\u2028\ud800", "d"];
      await appendTo(log, "sheet-1", ...texts.slice(0, 1));
      await appendTo(log, "sheet-1", ...texts.slice(1));
      let chain = FIRST_CHAIN;
      expect(await log.chainAt("sheet-1", 0)).toBe(chain);
      for (const [offset, text] of texts.entries()) {
        chain = nextChain(chain, changeOf(offset + 1, text));
        expect(await log.chainAt("sheet-1", offset + 1)).toBe(chain);
      }
      expect(await log.chainAt("sheet-1", 5)).toBeUndefined();
      expect(await log.chainAt("nobody", 0)).toBeUndefined();
    });

    test("L11 what a group adds to one spreadsheet is one entry, and that is a ready frame of the feed", async () => {
      const log = await open();
      const head = await log.create("sheet-1");
      const first = entryAfter(head, ["a \u20ac"]);
      const middle = headAfter(head, first);
      const second = entryAfter(middle, ["b", "c"]);
      const told: Entry[] = [];
      log.follow((_, entry) => told.push(entry));
      await log.append([
        { spreadsheetId: "sheet-1", expected: head, entry: first },
        { spreadsheetId: "sheet-1", expected: middle, entry: second },
      ]);
      const [entry] = await log.readAfter("sheet-1", 0, 1);
      expect(told).toEqual([entry]);
      expect(entry).toMatchObject({ firstSeq: 1, lastSeq: 3, chain: second.chain });
      const frame = entry?.frame ?? Buffer.alloc(0);
      // One final text frame, unmasked, its length in 16 bits (RFC 6455, section 5.2).
      expect([frame[0], frame[1], frame.readUInt16BE(2)]).toEqual([0x81, 126, frame.length - 4]);
      const changes = [first, second].map(({ json }) => json.slice(1, -1)).join(",");
      expect(frame.subarray(4).toString("utf8")).toBe(
        `{"kind":"changes","spreadsheetId":"sheet-1","changes":[${changes}],"chain":"${second.chain}"}`,
      );
    });

    test("L11 no entry is larger than a frame, but for one change that is larger by itself", async () => {
      const log = await open();
      const large = "x".repeat(limits.frameMaxBytes / 3);
      await appendTo(log, "sheet-1", large, large, large, large, "small");
      await appendTo(log, "sheet-1", "x".repeat(limits.frameMaxBytes));
      const entries = await readAll(log, "sheet-1");
      expect(entries.map((entry) => [entry.firstSeq, entry.lastSeq, entry.fitsFrame])).toEqual([
        [1, 2, true],
        [3, 5, true],
        [6, 6, false],
      ]);
      for (const entry of entries) expect(await log.chainAt("sheet-1", entry.lastSeq)).toBe(entry.chain);
    });

    test("L11 tidying joins small entries, and every change, chain and cursor stays what it was", async () => {
      const log = await open();
      let head = await log.create("sheet-1");
      const heads = [head];
      for (let at = 0; at < 300; at += 1) {
        head = await appendTo(log, "sheet-1", `change ${at}`, ...(at % 10 === 0 ? ["x".repeat(2_000)] : []));
        heads.push(head);
      }
      const textsOf = (entries: readonly Entry[]): string => entries.map((entry) => entry.json.slice(1, -1)).join(",");
      const before = await readAll(log, "sheet-1");
      for (let most = 100; most > 0 && (await log.tidy()); most -= 1);
      const after = await readAll(log, "sheet-1");
      expect(after.length).toBeLessThan(before.length / 4);
      expect(textsOf(after)).toBe(textsOf(before));
      expect(await log.head("sheet-1")).toEqual(head);
      for (const { seq, chain } of heads) expect(await log.chainAt("sheet-1", seq)).toBe(chain);
      const middle = heads[150]?.seq ?? 0;
      const cuts = (await log.readAfter("sheet-1", middle, 1)).map((entry) => laterPart("sheet-1", entry, middle));
      expect(cuts[0]?.firstSeq).toBe(middle + 1);
      await appendTo(log, "sheet-1", "goes on");
    });

    test("what is due to go is named by age and by size", async () => {
      const log = await open();
      expect(await log.kept("nobody")).toBeUndefined();
      expect(await log.dueThrough("nobody", 0, 0)).toBe(0);
      for (let at = 0; at < 10; at += 1) await appendTo(log, "sheet-1", "x".repeat(1_000));
      const kept = await log.kept("sheet-1");
      expect(kept).toMatchObject({ floor: 0, stateSeq: 0 });
      expect(kept?.bytes).toBeGreaterThan(10_000);
      expect(await log.dueThrough("sheet-1", 0, 1_000_000)).toBe(0);
      const half = await log.dueThrough("sheet-1", 0, (kept?.bytes ?? 0) / 2);
      expect(half).toBeGreaterThan(3);
      expect(half).toBeLessThan(7);
      expect(await log.dueThrough("sheet-1", Number.MAX_SAFE_INTEGER, 1_000_000)).toBe(10);
    });

    test("L13 a restart is a new life at the same seq, without state and desk", async () => {
      const log = await open();
      const head = await appendTo(log, "sheet-1", "a", "b");
      await log.append([{ spreadsheetId: "sheet-1", expected: head, post: post("p1"), desk: "{}" }]);
      const anew = await log.restart("sheet-1");
      expect(anew).toMatchObject({ seq: 2, chain: head.chain });
      expect(anew?.epoch).not.toBe(head.epoch);
      expect(await log.head("sheet-1")).toEqual(anew);
      expect(await stateOf(log)).toEqual({ head: anew, lines: [] });
      expect(await log.desk("sheet-1")).toBeUndefined();
      expect(await log.takenPost("sheet-1", "p1")).toEqual(post("p1"));
      expect((await appendTo(log, "sheet-1", "c")).seq).toBe(3);
      expect(await log.restart("nobody")).toBeUndefined();
    });

    test("a state comes back line for line, and one of another life is refused", async () => {
      const log = await open();
      const head = await appendTo(log, "sheet-1", "a");
      const lines = Array.from({ length: 2_500 }, (_, at) => JSON.stringify({ at, text: "x".repeat(1_000) }));
      await log.saveState("sheet-1", { head, lines });
      expect(await stateOf(log)).toEqual({ head, lines });
      await log.saveState("sheet-1", { head, lines: ["{}"] });
      expect(await stateOf(log)).toEqual({ head, lines: ["{}"] });
      for (const wrong of [
        { ...head, epoch: "another" },
        { ...head, seq: 2 },
      ]) {
        await expect(log.saveState("sheet-1", { head: wrong, lines })).rejects.toThrow(HeadMovedError);
      }
      await expect(log.saveState("nobody", { head, lines })).rejects.toThrow(HeadMovedError);
      expect(await log.state("nobody")).toBeUndefined();
    });
  });
}
