/** This Google's time: as it passes outside, or a time of its own that jumps from one due thing to the next. */

export type ClockNeeds = {
  /** The clock outside, in milliseconds. */
  readonly realNow: () => number;
  /** When the next clock trigger is due. Nobody waits for it: it is reached only where time is moved so far. */
  readonly nextTickAt: () => number | undefined;
  /** Starts the clock triggers that are due. */
  readonly tick: () => void;
  /** Told of each moment that a shared virtual time comes to, and of its end. */
  readonly onShared?: (now: number | undefined) => void;
};

/** What is known of one execution: as long as it works, a virtual clock stands still. */
export type Work = {
  /** Does what takes this clock's time, or waits for others: meanwhile the clock may go on. */
  readonly aside: <T>(what: () => Promise<T>) => Promise<T>;
  readonly end: () => void;
};

type Item = {
  readonly what: string;
  dueAt: number;
  readonly order: number;
  /** Held up by a fault only: goes at once when faults end. */
  readonly isFault: boolean;
  readonly go: () => void;
};

const tickEveryMs = 1000;
const maxTimerMs = 2_000_000_000;
/** The pending list of `describe` is for people: no longer than this. */
const maxDescribed = 100;

export function createClock(needs: ClockNeeds) {
  /** By due time; of equals the one that was there first. */
  const items: Item[] = [];
  let aheadMs = 0;
  let virtual: { now: number; isAuto: boolean; isShared: boolean; until: number } | undefined;
  let working = 0;
  let orders = 0;
  let timer: NodeJS.Timeout | undefined;
  let turn: NodeJS.Immediate | undefined;
  let isStopped = false;
  const ticking = setInterval(() => {
    if (!virtual) needs.tick();
  }, tickEveryMs);
  ticking.unref();

  const now = (): number => (virtual ? virtual.now : needs.realNow() + aheadMs);
  const shared = (): number | undefined => (virtual?.isShared ? Math.floor(virtual.now) : undefined);

  /** Does this when so much of this clock's time has passed; answers how to call it off. */
  function after(ms: number, what: string, go: () => void, isFault = false): () => void {
    const item: Item = { what, dueAt: now() + Math.max(0, ms), order: orders++, isFault, go };
    add(item);
    return () => {
      const at = items.indexOf(item);
      if (at >= 0) items.splice(at, 1);
    };
  }

  const wait = (ms: number, what: string, isFault = false): Promise<void> =>
    new Promise((resolve) => void after(ms, what, resolve, isFault));

  function add(item: Item): void {
    insert(item);
    wake();
  }

  function insert(item: Item): void {
    let at = items.length;
    while (at > 0 && isLater(items[at - 1], item)) at--;
    items.splice(at, 0, item);
  }

  function wake(): void {
    if (isStopped) return;
    clearTimeout(timer);
    if (virtual) {
      // In the next turn: what has just been answered takes up its work before.
      if (working === 0) turn ??= setImmediate(jump);
      return;
    }
    const [first] = items;
    if (first) timer = setTimeout(doDue, Math.min(maxTimerMs, Math.max(0, first.dueAt - now())));
  }

  function doDue(): void {
    for (let first = items[0]; first && first.dueAt <= now() && !virtual; first = items[0]) {
      items.shift();
      first.go();
    }
    wake();
  }

  /** One due thing at a time, each to where nothing works any more: so one seed is one course of things. */
  function jump(): void {
    turn = undefined;
    if (!virtual || working > 0 || isStopped) return;
    const [first] = items;
    const tickAt = needs.nextTickAt() ?? Infinity;
    const nextAt = Math.min(first?.dueAt ?? Infinity, tickAt);
    const reach = Math.max(virtual.now, virtual.until, virtual.isAuto ? (items.at(-1)?.dueAt ?? 0) : 0);
    if (nextAt > reach) return;
    if (nextAt > virtual.now) {
      virtual.now = nextAt;
      if (virtual.isShared) needs.onShared?.(shared());
    }
    if (!first || tickAt <= first.dueAt) needs.tick();
    else {
      items.shift();
      first.go();
    }
    wake();
  }

  return {
    now,
    /** The time that scripts have as well, in whole milliseconds; nothing where theirs is the one outside. */
    shared,
    after,
    wait,
    isVirtual: (): boolean => virtual !== undefined,
    /** Moves on, through everything that falls due on the way; under virtual time each to its end. */
    async advance(ms: number): Promise<void> {
      if (virtual) {
        virtual.until = Math.max(virtual.until, virtual.now + ms);
        const dueAt = virtual.now + ms;
        // After everything else that is due then.
        await new Promise<void>((go) =>
          add({ what: "the end of an advance", dueAt, order: Number.MAX_SAFE_INTEGER, isFault: false, go }),
        );
        return;
      }
      aheadMs += ms;
      needs.tick();
      doDue();
    },
    /**
     * Makes time virtual or lets it pass as outside again; it goes on from where it stands. With `isAuto` it jumps by itself
     * as long as something is held, else only `advance` moves it. A virtual time that `isShared` is what scripts have, too.
     */
    setVirtual(isVirtual: boolean, isAuto = true, isShared = false): void {
      const here = now();
      clearTimeout(timer);
      if (isVirtual) virtual = { now: here, isAuto, isShared, until: here };
      else {
        virtual = undefined;
        aheadMs = here - needs.realNow();
      }
      needs.onShared?.(shared());
      wake();
    },
    /** What only a fault holds up is due now. */
    letGo(): void {
      const held = items.filter((item) => item.isFault);
      for (const item of held) {
        items.splice(items.indexOf(item), 1);
        item.dueAt = now();
      }
      for (const item of held) insert(item);
      wake();
    },
    work(): Work {
      let state: "working" | "aside" | "ended" = "working";
      working++;
      function become(next: typeof state): void {
        if (state === "ended" || state === next) return;
        if (state === "working") working--;
        if (next === "working") working++;
        state = next;
        if (working === 0) wake();
      }
      return {
        aside: async (what) => {
          become("aside");
          try {
            return await what();
          } finally {
            become("working");
          }
        },
        end: () => become("ended"),
      };
    },
    describe: (): object => {
      const tickAt = needs.nextTickAt();
      return {
        now: new Date(now()).toISOString(),
        virtual: virtual !== undefined,
        shared: virtual?.isShared ?? false,
        auto: virtual?.isAuto ?? false,
        working,
        pending: items.slice(0, maxDescribed).map(({ what, dueAt }) => ({ what, inMs: Math.round(dueAt - now()) })),
        pendingCount: items.length,
        nextTickInMs: tickAt === undefined ? null : Math.round(tickAt - now()),
      };
    },
    stop(): void {
      isStopped = true;
      clearInterval(ticking);
      clearTimeout(timer);
      if (turn) clearImmediate(turn);
      items.length = 0;
    },
  };
}

export type Clock = ReturnType<typeof createClock>;

const isLater = (one: Item | undefined, other: Item): boolean =>
  one !== undefined && (one.dueAt > other.dueAt || (one.dueAt === other.dueAt && one.order > other.order));
