/**
 * Long reads hold a shared lock on a spreadsheet's blocks. It holds up nothing but the deletion of blocks that are not
 * needed any more: commits and checkpoints go on. A lock ends with the context that holds it, however that ends.
 */
const nameOf = (database: string, spreadsheetId: string): string => `${database}/blocks/${spreadsheetId}`;

/** Missing outside of secure contexts, and in some stand-ins for a browser: then one context is all there is. */
const locks = (): LockManager | undefined => {
  const { locks: manager }: { locks?: LockManager | null } = navigator;
  return manager ?? undefined;
};

async function ifFree(name: string, run: () => Promise<void>): Promise<void> {
  const manager = locks();
  if (!manager) await run();
  else
    await manager.request(name, { ifAvailable: true }, async (lock) => {
      if (lock) await run();
    });
}

/** Runs if nobody reads at length just now; otherwise another time. */
export const unlessReading = (database: string, spreadsheetId: string, run: () => Promise<void>): Promise<void> =>
  ifFree(nameOf(database, spreadsheetId), run);

/** Runs unless somebody does so already, in whatever context. */
export const alone = (what: string, database: string, spreadsheetId: string, run: () => Promise<void>): Promise<void> =>
  ifFree(`${database}/${what}/${spreadsheetId}`, run);

/** Holds the lock of a long read until it is let go. */
export async function startReading(database: string, spreadsheetId: string): Promise<() => void> {
  const manager = locks();
  if (!manager) return () => undefined;
  return new Promise((resolve, reject) => {
    manager
      .request(
        nameOf(database, spreadsheetId),
        { mode: "shared" },
        () => new Promise<void>((release) => resolve(release)),
      )
      .catch(reject);
  });
}
