/** When rectangles were read, by sheet and by where they lie: many posts a second must not each look through a minute of them. */
import type { Stamp } from "./desk.ts";

/** Rows of a sheet that are looked up together. */
const BAND_ROWS = 64;
/** A rectangle over more bands than this is kept beside them. */
const MOST_BANDS = 8;

type Sheet = { bands: Map<number, Stamp[]>; tall: Stamp[] };

export class Stamps {
  readonly #sheets = new Map<number, Sheet>();
  /** When the oldest may be forgotten, as far as is known. */
  #oldestAt = Number.POSITIVE_INFINITY;

  /** The same rectangle read by the same post again takes the place of the one before: whatever is after the later is after both. */
  add(stamp: Stamp): void {
    let sheet = this.#sheets.get(stamp.sheetId);
    if (!sheet) this.#sheets.set(stamp.sheetId, (sheet = { bands: new Map(), tall: [] }));
    const [first, last] = bandsOf(stamp);
    const before = last - first >= MOST_BANDS ? sheet.tall : (sheet.bands.get(first) ?? NONE);
    const twin = twinIn(before, stamp);
    if (twin) {
      twin.order = stamp.order;
      twin.arrivedAt = stamp.arrivedAt;
      return;
    }
    if (last - first >= MOST_BANDS) sheet.tall.push(stamp);
    else {
      for (let band = first; band <= last; band += 1) {
        const held = sheet.bands.get(band);
        if (held) held.push(stamp);
        else sheet.bands.set(band, [stamp]);
      }
    }
    this.#oldestAt = Math.min(this.#oldestAt, stamp.arrivedAt);
  }

  /** Everything that overlaps this rectangle. */
  overlapping(area: Pick<Stamp, "sheetId" | "top" | "bottom" | "left" | "right">): Stamp[] {
    const sheet = this.#sheets.get(area.sheetId);
    if (!sheet) return [];
    const found: Stamp[] = [];
    for (const stamp of sheet.tall) if (isOverlap(stamp, area)) found.push(stamp);
    const [first, last] = bandsOf(area);
    if (last - first > sheet.bands.size) {
      const all = new Set<Stamp>();
      for (const held of sheet.bands.values()) for (const stamp of held) if (isOverlap(stamp, area)) all.add(stamp);
      found.push(...all);
      return found;
    }
    for (let band = first; band <= last; band += 1) {
      for (const stamp of sheet.bands.get(band) ?? NONE) {
        // One that lies in several bands counts in the first of them that is looked at.
        if (isOverlap(stamp, area) && band === Math.max(first, bandOf(stamp.top))) found.push(stamp);
      }
    }
    return found;
  }

  forgetSheet(sheetId: number): void {
    this.#sheets.delete(sheetId);
  }

  /** Forgets what arrived before `floor`; looks through all of it only when a good part is due. */
  forgetBefore(floor: number, slackMs: number): void {
    if (this.#oldestAt >= floor - slackMs) return;
    this.#oldestAt = Number.POSITIVE_INFINITY;
    const isKept = (stamp: Stamp): boolean => {
      if (stamp.arrivedAt < floor) return false;
      this.#oldestAt = Math.min(this.#oldestAt, stamp.arrivedAt);
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
  }
}

const NONE: readonly Stamp[] = [];

/** What one post told stands together at the end. */
function twinIn(held: readonly Stamp[], { run, n, top, bottom, left, right, readAt }: Stamp): Stamp | undefined {
  for (let at = held.length - 1; at >= 0; at -= 1) {
    const one = held[at];
    if (!one || one.run !== run || one.n !== n) return undefined;
    const isSamePlace = one.top === top && one.bottom === bottom && one.left === left && one.right === right;
    if (isSamePlace && one.readAt[0] === readAt[0] && one.readAt[1] === readAt[1]) return one;
  }
  return undefined;
}

const bandOf = (row: number): number => Math.floor(row / BAND_ROWS);

const bandsOf = ({ top, bottom }: Pick<Stamp, "top" | "bottom">): [first: number, last: number] => [
  bandOf(top),
  bandOf(Math.max(top, bottom - 1)),
];

const isOverlap = (stamp: Stamp, area: Pick<Stamp, "top" | "bottom" | "left" | "right">): boolean =>
  stamp.top < area.bottom && area.top < stamp.bottom && stamp.left < area.right && area.left < stamp.right;
