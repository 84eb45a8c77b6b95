/**
 * One way to hold a sheet in the browser. Every peer is given the same bytes and asked the same questions, in a worker of
 * a page of its own origin, so that none sweeps another's store.
 */
export type Scalar = null | boolean | number | string;
export type RichCell = { v: Scalar; f?: string; d?: string; e?: string };
export type Cell = Scalar | RichCell;
/** `was` is what the cell held before: the relay says it with each edit of a row that it knows. */
export type Edit = { row: number; column: number; cell: Cell; was: Cell };
export type Place = { row: number; column: number };
/** An answer that floor cannot give: it moves bytes and does not look at them. */
export type Moved = { bytes: number };

export interface Peer {
  /** Opens the store, makes it where it is not there. */
  open(): Promise<void>;
  /** What is to be done before the clock starts. */
  prepare?(snapshot: Uint8Array<ArrayBuffer>): Promise<void>;
  /** What is to be done before edits are timed. */
  ready?(): Promise<void>;
  /** From the snapshot's bytes to the last committed transaction, the content parsed and validated. */
  load(snapshot: Uint8Array<ArrayBuffer>): Promise<void>;
  /** The same from the network, with nothing but what is under way in memory. */
  loadFrom?(url: string): Promise<void>;
  /** Answers when the edit is committed. */
  edit(edit: Edit): Promise<void>;
  insertTop(cells: Cell[]): Promise<void>;
  /** The cells from this place on, `VIEW_ROWS` x `VIEW_COLUMNS`. */
  viewport(place: Place): Promise<Cell[][] | Moved>;
  /** Every cell that shows the text, as [row, column] in order of the sheet; case ignored. */
  search(text: string): Promise<[number, number][] | Moved>;
  /** The sheet as the bytes of a file, in pieces. */
  csv(): Promise<Uint8Array[] | Moved>;
  /** Does what was put off: edits that follow are then measured by themselves. */
  rest?(): Promise<void>;
  /** From here on every commit waits for the disk; where absent, all of IndexedDB is made to. */
  sync?(): Promise<void>;
  /** Brings the files to their resting size and says it; where absent, the files of IndexedDB are looked at. */
  storedBytes?(): Promise<number>;
  close(): Promise<void>;
}

export const VIEW_ROWS = 50;
export const VIEW_COLUMNS = 20;

export function trimmed<T>(cells: (T | null)[]): (T | null)[] {
  let length = cells.length;
  while (length > 0 && (cells[length - 1] ?? null) === null) length -= 1;
  return length === cells.length ? cells : cells.slice(0, length);
}

export function displayOf(cell: Cell): string {
  if (cell === null) return "";
  if (typeof cell === "object") return cell.d ?? cell.e ?? displayOf(cell.v);
  return typeof cell === "boolean" ? (cell ? "TRUE" : "FALSE") : String(cell);
}

export const csvField = (text: string): string => (/[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);

export const csvLine = (cells: readonly Cell[]): string =>
  `${cells.map((cell) => csvField(displayOf(cell))).join(",")}\r\n`;

/**
 * The lines of a snapshot for peers that have no reader of their own: parsed, and checked by hand, which is cheaper than
 * the product's schemas, so that nobody is slowed by them.
 */
export function* rowsOfSnapshot(snapshot: Uint8Array<ArrayBuffer>): Generator<{ fromRow: number; rows: Cell[][] }> {
  const decoder = new TextDecoder();
  let isHead = true;
  for (let from = 0; from < snapshot.length;) {
    const end = snapshot.indexOf(10, from);
    const value = JSON.parse(decoder.decode(snapshot.subarray(from, end))) as Record<string, unknown>;
    from = end + 1;
    if (isHead) {
      isHead = false;
      continue;
    }
    if (value["end"] === true) return;
    const { fromRow, rows } = value;
    if (typeof fromRow !== "number" || !Array.isArray(rows)) throw new Error("A line that is none of a snapshot.");
    for (const cells of rows as unknown[]) {
      if (!Array.isArray(cells)) throw new Error("A row that is none.");
      for (const cell of cells as unknown[]) if (!isCell(cell)) throw new Error("A cell that is none.");
    }
    yield { fromRow, rows: rows as Cell[][] };
  }
  throw new Error("The snapshot broke off.");
}

const isText = (value: unknown): boolean =>
  value === undefined || (typeof value === "string" && value.length <= 50_000);

function isScalar(value: unknown): boolean {
  return value === null || typeof value === "number" || typeof value === "boolean" || isText(value ?? 0);
}

function isCell(cell: unknown): boolean {
  if (cell === null || typeof cell !== "object") return isScalar(cell);
  const { v, f, d, e } = cell as Record<string, unknown>;
  return isScalar(v) && isText(f) && isText(d) && isText(e);
}

/** A request of IndexedDB as a promise. */
export const settled = <T>(request: IDBRequest<T>): Promise<T> =>
  new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error ?? new Error("The request failed."));
  });

/** The end of a transaction. */
export const committed = (transaction: IDBTransaction): Promise<void> =>
  new Promise((resolve, reject) => {
    transaction.oncomplete = () => resolve();
    transaction.onabort = () => reject(transaction.error ?? new Error("The transaction was aborted."));
  });
