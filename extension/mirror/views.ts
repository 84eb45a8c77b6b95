import { BrokenBlockError } from "../packed/packed.ts";
import { Blocks } from "./blocks.ts";
import type { TailWeight } from "./checkpoint.ts";
import { isSame, logFrom, type CopyRecord, type GridRecord, type LogRecord, type MirrorDatabase } from "./database.ts";
import type { BlockOf, Image, SheetImage, StoredBlock } from "./image/image.ts";
import { imageOf } from "./image/records.ts";
import { startReading } from "./locks.ts";
import { settled } from "./requests.ts";

/** A copy as it stood at one seq, and the way to its contents. It does not change. */
export type View = {
  image: Image;
  /** Loads blocks of a sheet; `isScan`: each is looked at once. */
  load: (sheet: SheetImage, blocks: readonly StoredBlock[], isScan?: boolean) => Promise<BlockOf>;
};

/**
 * Looks at a copy.
 *
 * - `short`: one transaction sees lists, tail and blocks, so nothing can move meanwhile. It is begun when it is needed.
 * - `long`: sees the copy as it was when it began, however long it takes. Nothing waits for it but the deletion of old blocks.
 */
export interface Views {
  short<T>(read: (view: View, transaction: () => IDBTransaction) => Promise<T>): Promise<T | undefined>;
  long<T>(
    read: (view: View) => AsyncGenerator<T>,
    /** Another image than that of now, worked out from it. */
    instead?: (image: Image, transaction: () => IDBTransaction) => Promise<Image>,
  ): AsyncGenerator<T>;
}

/** The log's records after a seq, and the image at the last checkpoint, if it is another than the one that is held. */
async function loadNews(
  transaction: IDBTransaction,
  spreadsheetId: string,
  held: Image | undefined,
): Promise<{ record: CopyRecord; base: Image | undefined; news: LogRecord[] } | undefined> {
  const log = transaction.objectStore("log");
  const after = (seq: number): Promise<LogRecord[]> => settled(log.getAll(logFrom(spreadsheetId, seq + 1)));
  const [record, news] = await Promise.all([
    settled<CopyRecord | undefined>(transaction.objectStore("copies").get(spreadsheetId)),
    held?.cursor ? after(held.cursor.seq) : undefined,
  ]);
  if (!record) return undefined;
  // The lists of a copy that is arriving grow without being counted.
  if (held && record.whole && isSame(record, held)) return { record, base: undefined, news: news ?? [] };
  const [grids, tail] = await Promise.all([
    settled<GridRecord[]>(transaction.objectStore("grids").index("copy").getAll(record.shown)),
    record.cursor ? after(record.cursor.seq) : [],
  ]);
  return { record, base: imageOf(record, grids), news: tail };
}

/** Applies what the log brought after the image. Records that are in it already are passed over. */
export function replay(image: Image, news: readonly LogRecord[]): void {
  for (const { first, cursor, entries } of news) {
    if (!image.cursor || first <= image.cursor.seq) continue;
    for (const { change } of entries) image.apply(change);
    image.cursor = cursor;
  }
}

/** The image of what is held now, read afresh. */
export async function loadImage(
  database: MirrorDatabase,
  spreadsheetId: string,
): Promise<{ record: CopyRecord; image: Image; tail: TailWeight } | undefined> {
  const loaded = await loadNews(database.begin(["copies", "grids", "log"], "readonly"), spreadsheetId, undefined);
  if (!loaded?.base) return undefined;
  replay(loaded.base, loaded.news);
  const tail = { bytes: 0, changes: 0 };
  for (const { bytes, entries } of loaded.news) {
    tail.bytes += bytes;
    tail.changes += entries.length;
  }
  return { record: loaded.record, image: loaded.base, tail };
}

/** A look within this time after the last one, with no word of a commit since, need not ask the store, in milliseconds. */
const FRESH_MS = 250;

/**
 * Looks at what is held now. One image follows the log; each look gets a part of it that stands still. Commits are told,
 * in this context before they are answered; a word that got lost with its sender costs a quarter of a second.
 */
export function currentViews(
  database: MirrorDatabase,
  spreadsheetId: string,
  subscribe: (listener: (notice: { spreadsheetId: string }) => void) => unknown,
): Views {
  const blocks = new Blocks(database);
  let held: Image | undefined;
  let still: Image | undefined;
  let freshUntil = -Infinity;
  let notices = 0;
  subscribe((notice) => {
    if (notice.spreadsheetId !== spreadsheetId) return;
    freshUntil = -Infinity;
    notices += 1;
  });

  async function refresh(transaction: IDBTransaction): Promise<Image | undefined> {
    const noticesBefore = notices;
    const loaded = await loadNews(transaction, spreadsheetId, held);
    if (!loaded) {
      [held, still] = [undefined, undefined];
      return undefined;
    }
    if (loaded.base) [held, still] = [loaded.base, undefined];
    if (held && loaded.news.some((record) => record.last > (held?.cursor?.seq ?? Infinity))) {
      replay(held, loaded.news);
      still = undefined;
    }
    still ??= held?.clone();
    if (notices === noticesBefore && held?.whole) freshUntil = performance.now() + FRESH_MS;
    return still;
  }

  const begin = (): IDBTransaction => database.begin(["copies", "grids", "log", "packed"], "readonly");
  const loadIn =
    (transaction: () => IDBTransaction): View["load"] =>
    (sheet, list, isScan = false) =>
      blocks.load(sheet.place, list, { transaction, isScan });

  return {
    async short(read) {
      if (still && performance.now() < freshUntil) {
        let transaction: IDBTransaction | undefined;
        const later = (): IDBTransaction => (transaction ??= begin());
        try {
          return await read({ image: still, load: loadIn(later) }, later);
        } catch (error) {
          // A checkpoint whose word is still on its way took blocks away. The store knows better.
          if (!(error instanceof BrokenBlockError)) throw error;
        }
      }
      const transaction = begin();
      const image = await refresh(transaction);
      return image && read({ image, load: loadIn(() => transaction) }, () => transaction);
    },
    async *long(read, instead) {
      const stop = await startReading(database.name, spreadsheetId);
      try {
        const transaction = database.begin(["copies", "grids", "log"], "readonly");
        const now = await refresh(transaction);
        if (!now) return;
        const image = instead ? await instead(now, () => transaction) : now;
        yield* read({ image, load: (sheet, list, isScan = true) => blocks.load(sheet.place, list, { isScan }) });
      } finally {
        stop();
      }
    },
  };
}
