/** What can only be asked of a real extension: how soon a killed background is there and commits, and whether a busy panel holds it up. */
import type { Row } from "@sheetwire/shared/protocol";
import { openExtensionStage, type ExtensionStage } from "../extension-stage.ts";
import { median, rounded, type Found } from "../figures.ts";
import { Model, type Edit } from "../model.ts";
import type { Engine } from "../stage.ts";
import { COLUMNS } from "../table.ts";
import type { Round } from "./questions.ts";

const WAKES = 20;
const BOOTS = 10;
const TAIL_COMMITS = 300;
const COMMITS_A_TURN = 100;
const TURNS = 4;

export const ofBackground = ["wake", "boot", "commit-while-searching"] as const;

type Asked = Pick<Round, "asks" | "found"> & { engine: Engine; rows: readonly Row[]; snapshot: Uint8Array };

export async function askBackground({ engine, rows, snapshot, asks, found }: Asked): Promise<void> {
  if (!ofBackground.some(asks)) return;
  const stage = await openExtensionStage(engine, snapshot);
  const model = new Model(rows);
  const tell = (question: Found["question"], runs: number, figures: Found["figures"]): void =>
    found({ question, engine, cells: rows.length * COLUMNS, unit: "ms", runs, figures });
  try {
    await stage.mirror.ask("open");
    await stage.mirror.ask("fetchSnapshot", stage.snapshotUrl);
    await stage.mirror.ask("load");
    await stage.mirror.ask("dropSnapshot");
    if (asks("wake")) tell("wake", WAKES, await wakes(stage, model));
    if (asks("boot")) tell("boot", BOOTS, await boots(stage, model));
    if (asks("commit-while-searching")) {
      tell("commit-while-searching", COMMITS_A_TURN * TURNS, await commits(stage, model));
    }
    await stage.mirror.ask("close");
    await stage.mirror.ask("open");
    const { hash } = await stage.mirror.ask<{ hash: string }>("csv");
    if (hash !== model.csv()) throw new Error("The mirror is not what was committed in the background.");
  } finally {
    await stage.stop();
  }
}

let editCount = 0;
function nextEdit(model: Model): Edit {
  editCount += 1;
  return model.edit((editCount * 7_919) % model.rows.length, editCount % 18, `committed ${editCount}`);
}

async function wakes({ mirror, bare }: ExtensionStage, model: Model): Promise<Found["figures"]> {
  const times = { mirror: [] as number[], bare: [] as number[] };
  for (let turn = 0; turn <= WAKES; turn += 1) {
    await mirror.kill();
    const woken = await mirror.tell(nextEdit(model));
    await bare.kill();
    const started = await bare.tell({});
    // The first of each compiles its script; later ones find it compiled, as in a browser that runs for days.
    if (turn === 0) continue;
    times.mirror.push(woken.elapsedMs);
    times.bare.push(started.elapsedMs);
  }
  return { mirror: rounded(median(times.mirror)), bare: rounded(median(times.bare)) };
}

/** With a tail that is replayed each time: it is folded when there was quiet, and there is none. */
async function boots({ mirror }: ExtensionStage, model: Model): Promise<Found["figures"]> {
  const times: number[] = [];
  for (let n = 0; n < TAIL_COMMITS; n += 1) await mirror.tell(nextEdit(model));
  for (let turn = 0; turn < BOOTS; turn += 1) {
    await mirror.kill();
    const { bootMs = Number.NaN } = await mirror.tell(nextEdit(model));
    times.push(bootMs);
  }
  return { mirror: rounded(median(times)) };
}

/** The 99th percentile of a commit while a page of the extension searches every cell, beside the same with nobody searching. */
async function commits({ mirror }: ExtensionStage, model: Model): Promise<Found["figures"]> {
  const times = { idle: [] as number[], mirror: [] as number[] };
  const commit = async (into: number[]): Promise<void> => {
    for (let n = 0; n < COMMITS_A_TURN; n += 1) into.push((await mirror.tell(nextEdit(model))).ms);
  };
  for (let turn = 0; turn < TURNS; turn += 1) {
    await commit(times.idle);
    let isSearching = true;
    const searching = (async (): Promise<void> => {
      while (isSearching) await mirror.ask("search", "ther");
    })();
    await commit(times.mirror);
    isSearching = false;
    await searching;
  }
  return { mirror: rounded(median(times.mirror, 0.99)), idle: rounded(median(times.idle, 0.99)) };
}
