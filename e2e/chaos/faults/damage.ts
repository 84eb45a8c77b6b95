import { cpSync, existsSync, openSync, readSync, closeSync, writeSync, ftruncateSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { snapshotRowsSchema } from "@sheetwire/shared/protocol";
import type { Scene } from "../chaos.ts";
import type { Sheet } from "../house.ts";
import { placeOfCell, postOf } from "../ledger.ts";
import { PageRefusedError, PageWrongError, openTruth, readOn, type Truth } from "../truth.ts";
import type { Fault } from "./faults.ts";
import { progress } from "./progress.ts";

type Damage = (path: string, size: number, dice: Scene["dice"]) => string;

const truncated: Damage = (path, size, dice) => {
  const left = dice.below(size);
  const file = openSync(path, "r+");
  ftruncateSync(file, left);
  closeSync(file);
  return `cut to ${left} of ${size} bytes`;
};
const flipped: Damage = (path, size, dice) => {
  const at = dice.below(size);
  const byte = Buffer.alloc(1);
  const file = openSync(path, "r+");
  readSync(file, byte, 0, 1, at);
  byte[0] = (byte[0] ?? 0) ^ (1 << dice.below(8));
  writeSync(file, byte, 0, 1, at);
  closeSync(file);
  return `a bit of byte ${at} of ${size} flipped`;
};

/**
 * Damages the store while nobody runs. A relay on it may refuse what is damaged, or refuse to start: then what can be read is
 * taken over, and it starts on that. It names the damage, and whatever it serves is what it served before. Afterwards the
 * store is put back.
 */
const damageWith = (damage: Damage): Fault => ({
  cannot: async () => undefined,
  async open({ totals }) {
    for (const outcome of ["harmless", "named", "unnamed", "servedWrong", "salvaged", "pastSaving"])
      totals[outcome] = 0;
  },
  async strike(scene, round) {
    const { house, dice, acknowledged, rest, sheets, truths, totals, say } = scene;
    await progress(acknowledged, 50 + dice.below(150));
    await rest();
    // What there is, as an undamaged relay tells it.
    const url = house.relay?.url ?? "";
    for (const [sheet] of sheets) {
      const { spreadsheetId } = sheet;
      truths.set(spreadsheetId, await readOn(truths.get(spreadsheetId) ?? openTruth(), url, sheet));
    }
    // In turn after a clean end, when all is in the main file, and after a kill, when the last part lies beside it.
    if (round % 2 === 0) await house.relay?.stop();
    await house.kill();
    const kept = join(house.folder, "kept");
    cpSync(house.dataDir, kept, { recursive: true });
    const files = ["sheetwire.db", "sheetwire.db-wal"].map((name) => join(house.dataDir, name));
    const path = dice.pick(files.filter((file) => existsSync(file) && statSync(file).size > 0));
    const what = `${path.slice(house.dataDir.length + 1)}: ${damage(path, statSync(path).size, dice)}`;
    const outcome = await look(scene);
    totals[outcome] = Number(totals[outcome]) + 1;
    if (outcome === "servedWrong" || outcome === "unnamed") {
      totals["worst"] ??= `round ${round + 1}: ${what}: ${outcome}`;
      totals.damagedBadly = Number(totals["damagedBadly"] ?? 0) + 1;
    }
    say(`${what}: ${outcome}`);
    await house.kill();
    rmSync(house.dataDir, { recursive: true });
    cpSync(kept, house.dataDir, { recursive: true });
    rmSync(kept, { recursive: true });
    await house.start();
  },
  judge: (totals) => totals.lost === 0 && totals["damagedBadly"] === undefined,
});

export const truncate = damageWith(truncated);
export const flip = damageWith(flipped);

type Outcome = "harmless" | "named" | "unnamed" | "servedWrong" | "salvaged" | "pastSaving";

/** Starts a relay on the damaged store and compares what it serves with what is known. */
async function look({ house, sheets, truths, say }: Scene): Promise<Outcome> {
  const saidBefore = house.said().length;
  let isShort = false;
  let isSalvaged = false;
  try {
    await house.start();
  } catch (error) {
    const said = String(error);
    if (!/damag/i.test(said)) {
      say(said);
      return "unnamed";
    }
    try {
      say(JSON.stringify(await house.command(["salvage", "--yes"])));
    } catch (refused) {
      const why = String(refused);
      say(why);
      return /can be read/.test(why) ? "pastSaving" : "unnamed";
    }
    isSalvaged = true;
    await house.start();
  }
  const url = house.relay?.url ?? "";
  for (const [sheet] of sheets) {
    const known = truths.get(sheet.spreadsheetId) ?? openTruth();
    const served = await heldAgainst(url, sheet, known);
    if (served === "wrong") return "servedWrong";
    if (served === "less") isShort = true;
  }
  if (isSalvaged) return "salvaged";
  // What it noticed it has said by now, in a line or an answer.
  const said = house.said().slice(saidBefore);
  if (!isShort && !/damag/i.test(said)) return "harmless";
  return /damag/i.test(said) ? "named" : "unnamed";
}

async function heldAgainst(url: string, sheet: Sheet, known: Truth): Promise<"same" | "less" | "wrong"> {
  let log: Truth | undefined;
  try {
    log = await readOn(openTruth(), url, sheet);
  } catch (error) {
    if (error instanceof PageWrongError) return "wrong";
    if (!(error instanceof PageRefusedError)) throw error;
  }
  if (log && (log.breaks > 0 || log.texts.some((text, seq) => known.texts[seq] !== text))) return "wrong";
  const answer = await fetch(`${url}/v1/spreadsheets/${sheet.spreadsheetId}/snapshot`, {
    headers: { authorization: `Bearer ${sheet.token}` },
  });
  const lines = answer.ok ? (await answer.text().catch(() => "")).split("\n").filter((line) => line !== "") : [];
  const isWhole = lines.at(-1)?.includes('"end":true') ?? false;
  let cells = 0;
  for (const line of lines.slice(1, isWhole ? -1 : undefined)) {
    const { fromRow, rows } = snapshotRowsSchema.parse(JSON.parse(line));
    for (const [offset, row] of rows.entries()) {
      for (const [column, cell] of (row ?? []).entries()) {
        const k = postOf(cell);
        if (k === undefined) continue;
        cells += 1;
        const place = placeOfCell(fromRow + offset, column);
        const then = known.copy.get(place);
        // A shorter log may hold an older text of the cell, but never one that was not written there.
        if (then === undefined || k > then) return "wrong";
      }
    }
  }
  const isSame = log?.cursor?.seq === known.cursor?.seq && isWhole && cells === known.copy.size;
  return isSame ? "same" : "less";
}
