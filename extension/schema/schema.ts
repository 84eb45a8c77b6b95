import { Dexie } from "dexie";

/** The schema and its versions. */
class Schema extends Dexie {
  constructor(name: string, current: number) {
    super(name, { autoOpen: false });
    this.version(1).stores({
      spreadsheets: "spreadsheetId",
      sheets: "[copy+sheetId]",
      blocks: "[copy+sheetId+block]",
      changes: "[spreadsheetId+seq]",
    });
    // Rows as structured clones became packed blocks. What was held is fetched again: it is the relay's anyway.
    this.version(current).stores({
      spreadsheets: null,
      sheets: null,
      blocks: null,
      changes: null,
      copies: "spreadsheetId",
      grids: "++place, copy",
      packed: "",
      log: "[spreadsheetId+first]",
    });
  }
}

/** Makes the database, or upgrades it to the current version. Where another context has made it newer meanwhile, it is left as it is. */
export async function makeOrUpgrade(name: string, current: number): Promise<void> {
  const schema = new Schema(name, current);
  try {
    await schema.open();
  } catch (error) {
    if (!(error instanceof Error) || error.name !== "VersionError") throw error;
  } finally {
    schema.close();
  }
}
