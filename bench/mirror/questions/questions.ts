/**
 * The questions, each asked of every peer in turn, round for round, so that a slow minute of the machine is a slow minute
 * for all. Every answer is checked against the model before its time counts.
 */
import type { Edit, Model, Place } from "../model.ts";
import type { Row } from "@sheetwire/shared/protocol";
import { median, rounded, type Found, type QuestionName } from "../figures.ts";
import type { PeerName } from "../peers.ts";
import type { Engine, MirrorStage, PeerPage } from "../stage.ts";
import { COLUMNS } from "../table.ts";

export type Round = {
  stage: MirrorStage;
  engine: Engine;
  model: Model;
  /** A row that is inserted at the top. */
  fresh: Row;
  /** Which questions are asked; the sheet is loaded in any case. */
  asks: (question: QuestionName) => boolean;
  /** How often what takes long is repeated. */
  rounds: number;
  /** How many edits arrive one by one. */
  streamedEdits: number;
  /** `-10m` when the sheet is Google's largest: loading, memory, viewport and insertion are asked then. */
  size: "" | "-10m";
  found: (found: Found) => void;
};

const AWAITED_EDITS = 200;
const VIEWPORTS = 200;
const COLD_VIEWPORTS = 10;
const EDITS_A_TURN = 50;
/** A common syllable, a rare word, and one that is nowhere. */
const SEARCHED = ["ther", "miramax", "zzyzx"];

type Times = Map<PeerName, number[]>;
const timesOf = (times: Times, peer: PeerName): number[] => {
  const held = times.get(peer) ?? [];
  times.set(peer, held);
  return held;
};

export async function askAll(round: Round): Promise<void> {
  const { model, stage, size } = round;
  const cells = model.rows.length * COLUMNS;
  const answerers = (but: readonly PeerName[] = []): PeerName[] => stage.peers.filter((peer) => !but.includes(peer));
  const tell = (question: QuestionName, unit: Found["unit"], times: Times, at = 0.5): void => {
    const figures = Object.fromEntries([...times].map(([peer, all]) => [peer, rounded(median(all, at))]));
    const runs = Math.min(...[...times.values()].map((all) => all.length));
    round.found({ question, engine: round.engine, cells, unit, runs, figures });
  };

  await load(round, answerers(), tell);
  if (size === "-10m" && round.asks("renderer-10m")) await renderer(round, tell);
  if (round.asks("reload") && size === "") {
    const painted: Times = new Map();
    for (let turn = 0; turn < round.rounds; turn += 1) {
      for (const peer of turned(answerers(), turn)) timesOf(painted, peer).push(await stage.reload(peer));
    }
    tell("reload", "ms", painted);
  }
  const asked = answerers(["yjs"]);
  if (round.asks("viewport-cold") && size === "") await coldViewports(round, asked, tell);

  const pages = new Map<PeerName, PeerPage>();
  const page = (peer: PeerName): PeerPage => {
    const open = pages.get(peer);
    if (!open) throw new Error(`No page of ${peer} is open.`);
    return open;
  };
  for (const peer of asked) {
    const opened = await stage.open(peer);
    await opened.ask("open");
    await opened.ask("ready");
    pages.set(peer, opened);
  }
  if (round.asks(`viewport${size}`)) await viewports(round, asked, page, tell);
  if (round.asks("search") && size === "") await search(round, asked, page, tell);
  if (round.asks("csv") && size === "") await csv(round, asked, page, tell);
  if (round.asks("edit") && size === "") await awaitedEdits(round, asked, page, tell);
  if (round.asks("edits") && size === "") await streamedEdits(round, asked, page, tell);
  if (round.asks("edit-synced") && size === "") await syncedEdits(round, asked, page, tell);
  if (round.asks(`insert${size}`)) await insertions(round, asked, page, tell);
  for (const peer of asked) {
    await page(peer).ask("close");
    await page(peer).close();
  }
}

type Tell = (question: QuestionName, unit: Found["unit"], times: Times, at?: number) => void;
type PageOf = (peer: PeerName) => PeerPage;

async function load({ stage, rounds, asks, size }: Round, peers: readonly PeerName[], tell: Tell): Promise<void> {
  const [times, memory, bytes]: [Times, Times, Times] = [new Map(), new Map(), new Map()];
  const wanted = asks(`load${size}`) || asks(`memory${size}`) || (size === "" && asks("stored-bytes"));
  const turns = wanted ? rounds : 1;
  for (let turn = 0; turn < turns; turn += 1) {
    for (const peer of turned(peers, turn)) {
      await stage.clear(peer);
      const page = await stage.open(peer);
      await page.ask("open");
      await page.ask("fetchSnapshot", "/snapshot");
      const before = asks(`memory${size}`) ? await page.markMemory() : Number.NaN;
      timesOf(times, peer).push(await page.ask<number>("load"));
      timesOf(memory, peer).push(page.mostMemory() - before);
      timesOf(bytes, peer).push((await page.ask<number | undefined>("storedBytes")) ?? stage.storedBytes(peer));
      await page.ask("close");
      await page.close();
    }
  }
  for (const all of [times, memory, bytes]) all.delete("yjs");
  if (asks(`load${size}`)) tell(`load${size}`, "ms", times);
  if (asks(`memory${size}`)) tell(`memory${size}`, "bytes", memory);
  if (asks("stored-bytes") && size === "") tell("stored-bytes", "bytes", bytes);
}

/** The most that a page ever holds, itself included, that takes the sheet from the network and scrolls through it. */
async function renderer({ stage, model }: Round, tell: Tell): Promise<void> {
  await stage.clear("mirror");
  const page = await stage.open("mirror");
  await page.ask("open");
  await page.markMemory();
  await page.ask("loadFrom", "/snapshot");
  for (let n = 0; n < VIEWPORTS; n += 1) {
    const place = { row: placeAt(n, model.rows.length), column: 0 };
    const { hashes } = await page.ask<Viewed>("viewports", [place]);
    check("mirror", "viewport", hashes, [model.viewport(place)]);
  }
  tell("renderer-10m", "bytes", new Map([["mirror", [page.mostMemory()]]]));
  await page.ask("close");
  await page.close();
}

/** The first viewport of a worker that was just started, its opening of the store included. */
async function coldViewports({ stage, model }: Round, peers: readonly PeerName[], tell: Tell): Promise<void> {
  const times: Times = new Map();
  for (let turn = 0; turn < COLD_VIEWPORTS; turn += 1) {
    const place = { row: placeAt(turn * 97 + 13, model.rows.length), column: 0 };
    for (const peer of turned(peers, turn)) {
      const page = await stage.open(peer);
      const opening = await page.ask<number>("open");
      const { ms, hashes } = await page.ask<Viewed>("viewports", [place]);
      check(peer, "viewport", hashes, [model.viewport(place)]);
      timesOf(times, peer).push(opening + (ms[0] ?? Number.NaN));
      await page.ask("close");
      await page.close();
    }
  }
  tell("viewport-cold", "ms", times);
}

type Viewed = { ms: number[]; hashes: string[] };

async function viewports({ model, size }: Round, peers: readonly PeerName[], page: PageOf, tell: Tell): Promise<void> {
  const times: Times = new Map();
  const all = Array.from({ length: VIEWPORTS }, (_, n): Place => ({ row: placeAt(n, model.rows.length), column: 0 }));
  const expected = all.map((place) => model.viewport(place));
  for (let from = 0; from < all.length; from += EDITS_A_TURN) {
    for (const peer of turned(peers, from)) {
      const { ms, hashes } = await page(peer).ask<Viewed>("viewports", all.slice(from, from + EDITS_A_TURN));
      check(peer, "viewport", hashes, expected.slice(from, from + EDITS_A_TURN));
      timesOf(times, peer).push(...ms);
    }
  }
  tell(`viewport${size}`, "ms", times);
}

async function search({ model, rounds }: Round, peers: readonly PeerName[], page: PageOf, tell: Tell): Promise<void> {
  const times: Times = new Map();
  const expected = SEARCHED.map((text) => model.search(text));
  for (let turn = 0; turn < rounds; turn += 1) {
    for (const peer of turned(peers, turn)) {
      let sum = 0;
      for (const [index, text] of SEARCHED.entries()) {
        const { ms, count, hash } = await page(peer).ask<{ ms: number; count: number; hash: string }>("search", text);
        sum += ms;
        const right = expected[index];
        check(peer, "search", [`${count} ${hash}`], [`${right?.count} ${right?.hash}`]);
      }
      timesOf(times, peer).push(sum / SEARCHED.length);
    }
  }
  tell("search", "ms", times);
}

async function csv({ model, rounds }: Round, peers: readonly PeerName[], page: PageOf, tell: Tell): Promise<void> {
  const times: Times = new Map();
  const expected = model.csv();
  for (let turn = 0; turn < rounds; turn += 1) {
    for (const peer of turned(peers, turn)) {
      const { ms, hash } = await page(peer).ask<{ ms: number; hash: string }>("csv");
      check(peer, "CSV", [hash], [expected]);
      timesOf(times, peer).push(ms);
    }
  }
  tell("csv", "ms", times);
}

async function awaitedEdits(round: Round, peers: readonly PeerName[], page: PageOf, tell: Tell): Promise<void> {
  tell("edit", "ms", await editInTurns(round.model, AWAITED_EDITS, peers, page));
}

/** Only where both can be made to wait for the disk. What earlier edits left to do is done before: it would wait, too. */
async function syncedEdits(round: Round, peers: readonly PeerName[], page: PageOf, tell: Tell): Promise<void> {
  for (const peer of peers) {
    await page(peer).ask("rest");
    await page(peer).ask("forceSync");
  }
  tell("edit-synced", "ms", await editInTurns(round.model, AWAITED_EDITS, peers, page));
}

async function editInTurns(model: Model, count: number, peers: readonly PeerName[], page: PageOf): Promise<Times> {
  const times: Times = new Map();
  const edits = editsOn(model, count);
  for (let from = 0; from < edits.length; from += EDITS_A_TURN) {
    for (const peer of turned(peers, from)) {
      const part = edits.slice(from, from + EDITS_A_TURN);
      timesOf(times, peer).push(...(await page(peer).ask<number[]>("edits", part)));
    }
  }
  return times;
}

async function streamedEdits(round: Round, peers: readonly PeerName[], page: PageOf, tell: Tell): Promise<void> {
  const times: Times = new Map();
  for (let turn = 0; turn < round.rounds; turn += 1) {
    const edits = editsOn(round.model, round.streamedEdits);
    for (const peer of turned(peers, turn)) timesOf(times, peer).push(await page(peer).ask<number>("stream", edits));
  }
  tell("edits", "ms", times);
  // All that was edited is there: the whole sheet as text says so.
  const expected = round.model.csv();
  for (const peer of peers) {
    const { hash } = await page(peer).ask<{ hash: string }>("csv");
    check(peer, "CSV after the edits", [hash], [expected]);
  }
}

async function insertions(round: Round, peers: readonly PeerName[], page: PageOf, tell: Tell): Promise<void> {
  const times: Times = new Map();
  // Cheap ones often, so that their median means something; shifting every row takes seconds.
  const turns = { floor: 40, mirror: 40, rows: 2, sqlite: 2, "sqlite-wal": 2, yjs: 0 };
  for (let turn = 0; turn < turns.mirror; turn += 1) {
    for (const peer of turned(peers, turn)) {
      const ms = await page(peer).ask<number>("insertTop", round.fresh);
      timesOf(times, peer).push(ms);
    }
    round.model.insertTop(round.fresh);
    const leaving = peers.filter((peer) => turn + 1 === turns[peer]);
    if (leaving.length > 0) await viewports(round, leaving, page, () => undefined);
    peers = peers.filter((peer) => !leaving.includes(peer));
  }
  tell(`insert${round.size}`, "ms", times);
}

const turned = <T>(list: readonly T[], by: number): T[] => {
  const at = list.length === 0 ? 0 : by % list.length;
  return [...list.slice(at), ...list.slice(0, at)];
};

/** Places that jump about the sheet, the same for everybody. */
const placeAt = (n: number, rows: number): number =>
  Math.floor(((n * 0.618_033_988_75 + 0.1) % 1) * Math.max(1, rows - 60));

let editCount = 0;
/** Edits in the order in which they are to be made; the model has them already. */
function editsOn(model: Model, count: number): Edit[] {
  return Array.from({ length: count }, () => {
    editCount += 1;
    const cell = editCount % 3 === 0 ? editCount * 1.5 : editCount % 3 === 1 ? `edited ${editCount}` : editCount;
    return model.edit(placeAt(editCount, model.rows.length), editCount % 18, cell);
  });
}

function check(peer: PeerName, what: string, answers: readonly string[], expected: readonly string[]): void {
  // The floor moves bytes and answers nothing.
  if (peer === "floor") return;
  const wrong = answers.findIndex((answer, index) => answer !== expected[index]);
  if (wrong >= 0 || answers.length !== expected.length)
    throw new Error(`${peer} gave a wrong answer: ${what} ${wrong}.`);
}
