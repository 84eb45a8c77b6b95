/** Holds runs at a service call, so that a test can let a user type in between. */

export type Gate = {
  /** How many runs stand at it. */
  readonly held: () => number;
  /** Resolves when so many runs have come to it. */
  readonly reached: (count?: number) => Promise<void>;
  /** Lets the first one go on (the gate stays), or opens the gate for good. */
  readonly releaseOne: () => void;
  readonly open: () => void;
};

type When = "before" | "after";
type Held = { readonly go: () => void };

/** `onChange` is called when there is one more gate, or one less. */
export function createGates(onChange: () => void) {
  const gates = new Map<Gate, { op: string; when: When; held: Held[]; total: number; watchers: (() => void)[] }>();

  /** `op` as the services name it: `range.read`, `fetch`, `properties.all` … */
  function close(op: string, when: When = "before"): Gate {
    const state = { op, when, held: [] as Held[], total: 0, watchers: [] as (() => void)[] };
    const gate: Gate = {
      held: () => state.held.length,
      reached: async (count = 1) => {
        while (state.total < count) await new Promise<void>((resolve) => state.watchers.push(resolve));
      },
      releaseOne: () => state.held.shift()?.go(),
      open: () => {
        gates.delete(gate);
        onChange();
        for (const one of state.held.splice(0)) one.go();
      },
    };
    gates.set(gate, state);
    onChange();
    return gate;
  }

  const isClosed = (op: string, when: When): boolean =>
    [...gates.values()].some((state) => state.op === op && state.when === when);

  async function pass(op: string, when: When): Promise<void> {
    for (const state of gates.values()) {
      if (state.op !== op || state.when !== when) continue;
      await new Promise<void>((go) => {
        state.held.push({ go });
        state.total++;
        for (const watcher of state.watchers.splice(0)) watcher();
      });
    }
  }

  /** For callers from outside this process, who can hold no object: a name for the gate while it is closed. */
  const names = new Map<string, Gate>();
  function keep(gate: Gate): string {
    const gateId = String(names.size + 1);
    names.set(gateId, gate);
    return gateId;
  }

  return {
    keep,
    kept: (gateId: string): Gate | undefined => names.get(gateId),
    close,
    isClosed,
    areThere: (): boolean => gates.size > 0,
    pass,
    openAll: (): void => [...gates.keys()].forEach((gate) => gate.open()),
  };
}

export type Gates = ReturnType<typeof createGates>;
