/** Wall clocks of time zones: serial days as a sheet counts them, to and from instants. */

const dayMs = 86_400_000;
const quarterMs = 900_000;
/** Serial 0 of a spreadsheet: 1899-12-30. */
const serialZeroMs = Date.UTC(1899, 11, 30);
const maxRemembered = 50_000;

const formats = new Map<string, Intl.DateTimeFormat>();
const offsets = new Map<string, Map<number, number>>();

/** Whether this is a zone of the IANA database. */
export function isZone(zone: string): boolean {
  try {
    wallClockOf(zone);
    return true;
  } catch {
    return false;
  }
}

/** How far the wall clock of `zone` is ahead of UTC at that instant. */
export function zoneOffsetMs(instantMs: number, zone: string): number {
  let known = offsets.get(zone);
  if (!known) offsets.set(zone, (known = new Map()));
  // Offsets change on quarter hours at the finest.
  const quarter = Math.floor(instantMs / quarterMs);
  const held = known.get(quarter);
  if (held !== undefined) return held;
  const startMs = quarter * quarterMs;
  const offset = wallMs(startMs, zone) - startMs;
  if (known.size >= maxRemembered) known.clear();
  known.set(quarter, offset);
  return offset;
}

/** Whether a script's `Date` reaches this serial. */
export const hasInstant = (serial: number): boolean => Math.abs(serial * dayMs + serialZeroMs) < 8.64e15 - 2 * dayMs;

/** The instant at which the wall clock of `zone` shows this serial; a time that is skipped in spring moves forward. */
export function instantOfSerial(serial: number, zone: string): number {
  const wall = Math.round(serial * dayMs) + serialZeroMs;
  const first = wall - zoneOffsetMs(wall, zone);
  const second = wall - zoneOffsetMs(first, zone);
  if (first === second) return first;
  // Either side of a change of offset: the one whose wall clock reads right, else (skipped hour) the later.
  if (second + zoneOffsetMs(second, zone) === wall) return second;
  return Math.max(first, second);
}

export function serialOfInstant(instantMs: number, zone: string): number {
  return (instantMs + zoneOffsetMs(instantMs, zone) - serialZeroMs) / dayMs;
}

export const serialOfDate = (year: number, month: number, day: number): number => {
  const date = new Date(Date.UTC(2000, month - 1, day));
  date.setUTCFullYear(year, month - 1, day);
  return Math.round((date.getTime() - serialZeroMs) / dayMs);
};

export type WallClock = {
  year: number;
  month: number;
  day: number;
  hour: number;
  minute: number;
  second: number;
  millisecond: number;
  /** 0 is Sunday. */
  weekday: number;
};

/** What a wall clock shows, given its time as if it were UTC. */
export function readWallClock(wall: number): WallClock {
  const date = new Date(wall);
  return {
    year: date.getUTCFullYear(),
    month: date.getUTCMonth() + 1,
    day: date.getUTCDate(),
    hour: date.getUTCHours(),
    minute: date.getUTCMinutes(),
    second: date.getUTCSeconds(),
    millisecond: date.getUTCMilliseconds(),
    weekday: date.getUTCDay(),
  };
}

/** `Utilities.formatDate`: the part of SimpleDateFormat that scripts use. Throws on a letter it does not know. */
export function formatInstant(instantMs: number, zone: string, pattern: string): string {
  const offsetMs = zoneOffsetMs(instantMs, zone);
  const clock = readWallClock(instantMs + offsetMs);
  let text = "";
  for (const [piece, quoted] of pattern.matchAll(/'((?:[^']|'')*)'|([A-Za-z])\2*|[^A-Za-z']+/g)) {
    if (quoted !== undefined) text += quoted === "" ? "'" : quoted.replaceAll("''", "'");
    else text += /[A-Za-z]/.test(piece) ? field(piece, clock, offsetMs, zone) : piece;
  }
  return text;
}

const months = ["January", "February", "March", "April", "May", "June", "July"].concat([
  "August",
  "September",
  "October",
  "November",
  "December",
]);
const weekdays = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

function field(piece: string, clock: WallClock, offsetMs: number, zone: string): string {
  const width = piece.length;
  const pad = (value: number): string => String(value).padStart(width, "0");
  switch (piece[0]) {
    case "y": {
      // Of the era, as SimpleDateFormat has it: 1 BC follows on year 1.
      const year = clock.year > 0 ? clock.year : 1 - clock.year;
      return width === 2 ? String(year % 100).padStart(2, "0") : pad(year);
    }
    case "M":
      if (width >= 4) return months[clock.month - 1] ?? "";
      return width === 3 ? (months[clock.month - 1] ?? "").slice(0, 3) : pad(clock.month);
    case "d":
      return pad(clock.day);
    case "E":
      return width >= 4 ? (weekdays[clock.weekday] ?? "") : (weekdays[clock.weekday] ?? "").slice(0, 3);
    case "u":
      return pad(clock.weekday === 0 ? 7 : clock.weekday);
    case "H":
      return pad(clock.hour);
    case "k":
      return pad(clock.hour === 0 ? 24 : clock.hour);
    case "h":
      return pad(clock.hour % 12 === 0 ? 12 : clock.hour % 12);
    case "K":
      return pad(clock.hour % 12);
    case "a":
      return clock.hour < 12 ? "AM" : "PM";
    case "m":
      return pad(clock.minute);
    case "s":
      return pad(clock.second);
    case "S":
      return pad(clock.millisecond);
    case "Z":
      return offsetText(offsetMs, "");
    case "X":
      if (offsetMs === 0) return "Z";
      return width === 1 ? offsetText(offsetMs, "").slice(0, 3) : offsetText(offsetMs, width === 2 ? "" : ":");
    case "z":
      return offsetMs === 0 && /^(Etc\/)?(UTC|GMT|Zulu)/i.test(zone) ? "UTC" : `GMT${offsetText(offsetMs, ":")}`;
    default:
      throw new Error(`Illegal pattern character '${piece[0]}'`);
  }
}

function offsetText(offsetMs: number, separator: string): string {
  const minutes = Math.abs(Math.round(offsetMs / 60_000));
  const two = (value: number): string => String(value).padStart(2, "0");
  return `${offsetMs < 0 ? "-" : "+"}${two(Math.floor(minutes / 60))}${separator}${two(minutes % 60)}`;
}

/** Before this year every place had its own mean time; `Intl` writes years before 1 without their sign. */
const longAgoMs = Date.UTC(1000, 0);

function wallMs(instantMs: number, zone: string): number {
  if (instantMs < longAgoMs) return instantMs + wallMs(longAgoMs, zone) - longAgoMs;
  const parts: Record<string, number> = {};
  for (const { type, value } of wallClockOf(zone).formatToParts(instantMs)) parts[type] = Number(value);
  const { year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0 } = parts;
  const wall = new Date(Date.UTC(2000, month - 1, day, hour, minute, second));
  wall.setUTCFullYear(year, month - 1, day);
  return wall.getTime() + (((instantMs % 1000) + 1000) % 1000);
}

function wallClockOf(zone: string): Intl.DateTimeFormat {
  let format = formats.get(zone);
  if (!format) {
    const numeric = "numeric";
    format = new Intl.DateTimeFormat("en-US-u-ca-iso8601-nu-latn", {
      timeZone: zone,
      hourCycle: "h23",
      year: numeric,
      month: numeric,
      day: numeric,
      hour: numeric,
      minute: numeric,
      second: numeric,
    });
    formats.set(zone, format);
  }
  return format;
}
