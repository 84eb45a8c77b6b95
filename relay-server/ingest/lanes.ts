/**
 * What waits to be folded, one lane for each spreadsheet, taken in turn: a flood on one lane fills its own lane only, and
 * the others wait for one item of it at most.
 */
export type Sized = { readonly spreadsheetId: string; readonly bytes: number };

export type LaneLimits = {
  readonly laneMaxItems: number;
  readonly laneMaxBytes: number;
  readonly maxItems: number;
  readonly maxBytes: number;
};

type Lane<T> = { items: T[]; taken: number; bytes: number; isHeld: boolean };

export class Lanes<T extends Sized> {
  readonly #lanes = new Map<string, Lane<T>>();
  /** Lanes that have something to give, in the order of their turns. */
  #turns: string[] = [];
  #next = 0;
  #items = 0;
  #bytes = 0;
  readonly #limits: LaneLimits;

  constructor(limits: LaneLimits) {
    this.#limits = limits;
  }

  /** Why it cannot be taken in, where that is so: its own lane is full, or everything is. */
  put(item: T): "lane-full" | "full" | undefined {
    const { laneMaxItems, laneMaxBytes, maxItems, maxBytes } = this.#limits;
    if (this.#items >= maxItems || this.#bytes + item.bytes > maxBytes) return "full";
    const lane = this.#lanes.get(item.spreadsheetId);
    if (!lane) {
      this.#lanes.set(item.spreadsheetId, { items: [item], taken: 0, bytes: item.bytes, isHeld: false });
      this.#turns.push(item.spreadsheetId);
    } else {
      const isFull = lane.items.length - lane.taken >= laneMaxItems || lane.bytes + item.bytes > laneMaxBytes;
      if (isFull && lane.items.length > lane.taken) return "lane-full";
      lane.items.push(item);
      lane.bytes += item.bytes;
    }
    this.#items += 1;
    this.#bytes += item.bytes;
    return undefined;
  }

  /** The next item, from the lane whose turn it is. */
  take(): T | undefined {
    while (this.#turns.length > 0) {
      if (this.#next >= this.#turns.length) this.#next = 0;
      const name = this.#turns[this.#next] ?? "";
      const lane = this.#lanes.get(name);
      const item = lane?.items[lane.taken];
      if (!lane || !item || lane.isHeld) {
        this.#turns.splice(this.#next, 1);
        if (lane && !item) this.#lanes.delete(name);
        continue;
      }
      lane.taken += 1;
      lane.bytes -= item.bytes;
      this.#items -= 1;
      this.#bytes -= item.bytes;
      if (lane.taken === lane.items.length) {
        this.#lanes.delete(name);
        this.#turns.splice(this.#next, 1);
      } else {
        // What was taken is let go now and then, not with each item.
        if (lane.taken >= 1_024) {
          lane.items.splice(0, lane.taken);
          lane.taken = 0;
        }
        this.#next += 1;
      }
      return item;
    }
    return undefined;
  }

  /** Puts an item back at the front of its lane, and leaves the lane out until it is let go. */
  hold(item: T): void {
    const lane = this.#lanes.get(item.spreadsheetId);
    this.#items += 1;
    this.#bytes += item.bytes;
    if (!lane) {
      this.#lanes.set(item.spreadsheetId, { items: [item], taken: 0, bytes: item.bytes, isHeld: true });
      return;
    }
    lane.items.splice(0, lane.taken, item);
    lane.taken = 0;
    lane.bytes += item.bytes;
    lane.isHeld = true;
  }

  letGo(spreadsheetId: string): void {
    const lane = this.#lanes.get(spreadsheetId);
    if (!lane?.isHeld) return;
    lane.isHeld = false;
    if (!this.#turns.includes(spreadsheetId)) this.#turns.push(spreadsheetId);
  }

  /** Takes out everything of one spreadsheet. */
  clear(spreadsheetId: string): readonly T[] {
    const lane = this.#lanes.get(spreadsheetId);
    if (!lane) return [];
    this.#lanes.delete(spreadsheetId);
    const left = lane.items.slice(lane.taken);
    this.#items -= left.length;
    this.#bytes -= lane.bytes;
    return left;
  }

  /** Whether `take` would give something. */
  get hasTurn(): boolean {
    return this.#turns.some((name) => {
      const lane = this.#lanes.get(name);
      return lane !== undefined && !lane.isHeld && lane.items.length > lane.taken;
    });
  }

  get size(): number {
    return this.#items;
  }
}
