/** A full check of a sheet of a million cells in which nothing changed: what the script posts for it. */
import { RelayDouble, SheetDouble } from "../../relay-server/wants/sheet-double.ts";
import { tell } from "../measure.ts";

const ROWS = 50_000;
const COLUMNS = 20;
const MOST_RUNS = 100;

/** In memory, with the relay's judgement and an honest reader: the sandbox of the stand-in would take minutes to read it. */
export function benchFullCheck(): void {
  const rows = Array.from({ length: ROWS }, (_, row) => Array.from({ length: COLUMNS }, (_cell, at) => `${row} ${at}`));
  const sheet = new SheetDouble([{ sheetId: 1, title: "Large", columns: COLUMNS, rows }]);
  const relay = new RelayDouble(sheet);
  relay.run("install", [sheet.sheets()]);
  for (let runs = 0; runs < MOST_RUNS && relay.rows(1).some((row) => row === null); runs += 1) {
    sheet.now += 600_000;
    relay.run("sweep", [sheet.sheets()]);
  }
  const copied = relay.cellsSent;
  let digestBytes = 0;
  let digests = 0;
  const answer = sheet.answer.bind(sheet);
  sheet.answer = (want) => {
    const reading = answer(want);
    if (reading.kind === "digests" && reading.axis === "rows") {
      digests += reading.to - reading.from;
      digestBytes += Buffer.from(reading.digests, "base64").length;
    }
    return reading;
  };
  let runs = 0;
  for (; digests < ROWS && runs < MOST_RUNS; runs += 1) {
    sheet.now += 600_000;
    relay.run("sweep", [sheet.sheets()]);
  }
  tell("1,000,000 cells, nothing changed: a full check (in memory)", {
    cellsCopiedBefore: copied,
    cellsOfContentSent: relay.cellsSent - copied,
    rowsChecked: digests,
    bytesOfDigestsARow: digestBytes / digests,
    runs,
  });
}
