/** When rectangles were read, by sheet and by where they lie: many posts a second must not each look through a minute of them. */
import type { Stamp } from "./desk.ts";

type Area = Pick<Stamp, "sheetId" | "top" | "bottom" | "left" | "right">;

/** Rows of a sheet that are looked up together. */
const BAND_ROWS = 16;
/** A rectangle over more bands than this is kept beside them. */
const MOST_BANDS = 32;

/** Stamps by number, the oldest first: those of each band, and those of tall rectangles. */
type Sheet = { readonly bands: Map<number, number[]>; tall: number[] };

/**
 * So many stamps, numbered as they come, stand side by side as numbers. A flood leaves some ten thousand a second for a
 * minute: as objects they were a sixth of what a post costs, since the garbage collector moves each twice.
 */
type Page = { readonly fields: Float64Array; readonly runs: string[] };
const PAGE_BITS = 5;
const PAGE_STAMPS = 1 << PAGE_BITS;

/** What of a stamp stands where. `RUN` is the place of its run among those of the page. */
const TOP = 0;
const BOTTOM = 1;
const LEFT = 2;
const RIGHT = 3;
const FROM = 4;
const TO = 5;
const N = 6;
const ORDER = 7;
const ARRIVED_AT = 8;
const RUN = 9;
const FIELDS = 10;

export class Stamps {
  readonly #sheets = new Map<number, Sheet>();
  #pages: Page[] = [];
  /** The number of the first stamp of the first page, that of the oldest remembered one, and the next one's. */
  #begin = 0;
  #oldest = 0;
  #next = 0;

  /** The same rectangle read by the same post again takes the place of the one before: whatever is after the later is after both. */
  add(stamp: Stamp): void {
    let sheet = this.#sheets.get(stamp.sheetId);
    if (!sheet) this.#sheets.set(stamp.sheetId, (sheet = { bands: new Map(), tall: [] }));
    const [first, last] = bandsOf(stamp);
    const isTall = last - first >= MOST_BANDS;
    const twin = this.#twinIn(isTall ? sheet.tall : (sheet.bands.get(first) ?? NONE), stamp);
    if (twin !== undefined) {
      const { fields } = this.#pageOf(twin);
      const at = placeOf(twin);
      fields[at + ORDER] = stamp.order;
      fields[at + ARRIVED_AT] = stamp.arrivedAt;
      return;
    }
    this.#makeLast(stamp.arrivedAt);
    const number = this.#put(stamp);
    if (isTall) sheet.tall.push(number);
    else {
      for (let band = first; band <= last; band += 1) {
        const held = sheet.bands.get(band);
        if (held) held.push(number);
        else sheet.bands.set(band, [number]);
      }
    }
  }

  /** Whether `test` holds for any that overlaps this rectangle. */
  some(area: Area, test: (stamp: Stamp) => boolean): boolean {
    const sheet = this.#sheets.get(area.sheetId);
    if (!sheet) return false;
    for (const number of sheet.tall) if (this.#overlaps(number, area) && test(this.#stamp(number, area))) return true;
    const [first, last] = bandsOf(area);
    if (last - first > sheet.bands.size) {
      for (const [band, held] of sheet.bands) if (this.#someIn(held, band, first, area, test)) return true;
      return false;
    }
    for (let band = first; band <= last; band += 1) {
      const held = sheet.bands.get(band);
      if (held && this.#someIn(held, band, first, area, test)) return true;
    }
    return false;
  }

  forgetSheet(sheetId: number): void {
    this.#sheets.delete(sheetId);
  }

  /** Forgets what arrived before `floor`; looks through all of it only when a good part is due. */
  forgetBefore(floor: number, slackMs: number): void {
    if (this.#arrivedAt(this.#oldest) >= floor - slackMs) return;
    while (this.#arrivedAt(this.#oldest) < floor) this.#oldest += 1;
    const isKept = (number: number): boolean => number >= this.#oldest;
    for (const sheet of this.#sheets.values()) {
      sheet.tall = sheet.tall.filter(isKept);
      for (const [band, held] of sheet.bands) {
        const kept = held.filter(isKept);
        if (kept.length > 0) sheet.bands.set(band, kept);
        else sheet.bands.delete(band);
      }
    }
    const pages = (this.#oldest - this.#begin) >>> PAGE_BITS;
    this.#pages = this.#pages.slice(pages);
    this.#begin += pages * PAGE_STAMPS;
  }

  /** One that lies in several bands counts in the first of them that is looked at. */
  #someIn(held: readonly number[], band: number, first: number, area: Area, test: (stamp: Stamp) => boolean): boolean {
    for (const number of held) {
      if (!this.#overlaps(number, area)) continue;
      const stamp = this.#stamp(number, area);
      if (band === Math.max(first, bandOf(stamp.top)) && test(stamp)) return true;
    }
    return false;
  }

  /** What one post told stands together at the end. */
  #twinIn(held: readonly number[], { run, n, top, bottom, left, right, readAt }: Stamp): number | undefined {
    for (let place = held.length - 1; place >= 0; place -= 1) {
      const number = held[place] ?? 0;
      const { fields, runs } = this.#pageOf(number);
      const at = placeOf(number);
      if (fields[at + N] !== n || runs[fields[at + RUN] ?? 0] !== run) return undefined;
      const isSamePlace =
        fields[at + TOP] === top &&
        fields[at + BOTTOM] === bottom &&
        fields[at + LEFT] === left &&
        fields[at + RIGHT] === right;
      if (isSamePlace && fields[at + FROM] === readAt[0] && fields[at + TO] === readAt[1]) return number;
    }
    return undefined;
  }

  /** After a clock that was set back nothing of before it is later than what comes now. */
  #makeLast(moment: number): void {
    for (let number = this.#next - 1; this.#arrivedAt(number) > moment && number >= this.#oldest; number -= 1) {
      this.#pageOf(number).fields[placeOf(number) + ARRIVED_AT] = moment;
    }
  }

  #put({ top, bottom, left, right, readAt, run, n, order, arrivedAt }: Stamp): number {
    const number = this.#next;
    this.#next += 1;
    const at = placeOf(number);
    if (at === 0) this.#pages.push({ fields: new Float64Array(PAGE_STAMPS * FIELDS), runs: [] });
    const { fields, runs } = this.#pageOf(number);
    // Those of one run mostly come together.
    if (runs.at(-1) !== run) runs.push(run);
    fields[at + TOP] = top;
    fields[at + BOTTOM] = bottom;
    fields[at + LEFT] = left;
    fields[at + RIGHT] = right;
    fields[at + FROM] = readAt[0];
    fields[at + TO] = readAt[1];
    fields[at + N] = n;
    fields[at + ORDER] = order;
    fields[at + ARRIVED_AT] = arrivedAt;
    fields[at + RUN] = runs.length - 1;
    return number;
  }

  #stamp(number: number, { sheetId }: Area): Stamp {
    const { fields, runs } = this.#pageOf(number);
    const field = (which: number): number => fields[placeOf(number) + which] ?? 0;
    return {
      sheetId,
      top: field(TOP),
      bottom: field(BOTTOM),
      left: field(LEFT),
      right: field(RIGHT),
      readAt: [field(FROM), field(TO)],
      run: runs[field(RUN)] ?? "",
      n: field(N),
      order: field(ORDER),
      arrivedAt: field(ARRIVED_AT),
    };
  }

  #overlaps(number: number, area: Area): boolean {
    const { fields } = this.#pageOf(number);
    const at = placeOf(number);
    return (
      (fields[at + TOP] ?? 0) < area.bottom &&
      area.top < (fields[at + BOTTOM] ?? 0) &&
      (fields[at + LEFT] ?? 0) < area.right &&
      area.left < (fields[at + RIGHT] ?? 0)
    );
  }

  /** Never, of one that is not there. */
  #arrivedAt(number: number): number {
    if (number < this.#oldest || number >= this.#next) return Number.POSITIVE_INFINITY;
    return this.#pageOf(number).fields[placeOf(number) + ARRIVED_AT] ?? 0;
  }

  #pageOf(number: number): Page {
    return this.#pages[(number - this.#begin) >>> PAGE_BITS] ?? EMPTY;
  }
}

const NONE: readonly number[] = [];
const EMPTY: Page = { fields: new Float64Array(), runs: [] };

/** Where on its page a stamp begins. */
const placeOf = (number: number): number => (number & (PAGE_STAMPS - 1)) * FIELDS;

const bandOf = (row: number): number => Math.floor(row / BAND_ROWS);

const bandsOf = ({ top, bottom }: Pick<Stamp, "top" | "bottom">): [first: number, last: number] => [
  bandOf(top),
  bandOf(Math.max(top, bottom - 1)),
];
