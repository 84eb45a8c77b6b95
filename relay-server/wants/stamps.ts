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
const PAGE_BITS = 4;
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
  /** The number of the first stamp of the first page, and the next one's. */
  #begin = 0;
  #next = 0;
  /** When the oldest may be forgotten, as far as is known. */
  #oldestAt = Number.POSITIVE_INFINITY;

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

  /** For how many there is room. */
  get room(): number {
    return this.#pages.length * PAGE_STAMPS;
  }

  forgetSheet(sheetId: number): void {
    this.#sheets.delete(sheetId);
  }

  /** Forgets what arrived before `floor`; looks through all of it only when a good part is due. */
  forgetBefore(floor: number, slackMs: number): void {
    if (this.#oldestAt >= floor - slackMs) return;
    this.#oldestAt = Number.POSITIVE_INFINITY;
    let first = this.#next;
    let count = 0;
    const isKept = (number: number): boolean => {
      const arrivedAt = this.#pageOf(number).fields[placeOf(number) + ARRIVED_AT] ?? 0;
      if (arrivedAt < floor) return false;
      this.#oldestAt = Math.min(this.#oldestAt, arrivedAt);
      first = Math.min(first, number);
      count += 1;
      return true;
    };
    for (const sheet of this.#sheets.values()) {
      sheet.tall = sheet.tall.filter(isKept);
      for (const [band, held] of sheet.bands) {
        const kept = held.filter(isKept);
        if (kept.length > 0) sheet.bands.set(band, kept);
        else sheet.bands.delete(band);
      }
    }
    const pages = (first - this.#begin) >>> PAGE_BITS;
    this.#pages = this.#pages.slice(pages);
    this.#begin += pages * PAGE_STAMPS;
    if (this.#next - this.#begin > 4 * (count + PAGE_STAMPS)) this.#putTogether();
  }

  /** Those that a clock left behind which was ahead hold up the pages after them: what is remembered is put on new ones. */
  #putTogether(): void {
    const kept: [number: number, stamp: Stamp][] = [];
    for (const [sheetId, { bands, tall }] of this.#sheets) {
      for (const number of tall) kept.push([number, this.#stamp(number, { sheetId })]);
      for (const [band, held] of bands) {
        for (const number of held)
          if (band === this.#bandOf(number)) kept.push([number, this.#stamp(number, { sheetId })]);
      }
    }
    this.#sheets.clear();
    this.#pages = [];
    this.#begin = 0;
    this.#next = 0;
    for (const [, stamp] of kept.toSorted(([a], [b]) => a - b)) this.add(stamp);
  }

  /** One that lies in several bands counts in the first of them that is looked at. */
  #someIn(held: readonly number[], band: number, first: number, area: Area, test: (stamp: Stamp) => boolean): boolean {
    for (const number of held) {
      const isCounted = this.#overlaps(number, area) && band === Math.max(first, this.#bandOf(number));
      if (isCounted && test(this.#stamp(number, area))) return true;
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
    this.#oldestAt = Math.min(this.#oldestAt, arrivedAt);
    return number;
  }

  /** The first band in which it lies. */
  #bandOf(number: number): number {
    return bandOf(this.#pageOf(number).fields[placeOf(number) + TOP] ?? 0);
  }

  #stamp(number: number, { sheetId }: Pick<Area, "sheetId">): Stamp {
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
