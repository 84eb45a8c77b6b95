/** Something that ends at a moment which may move on before it comes. */
export type Deadline = {
  /** In milliseconds by the wheel's clock. */
  at(): number;
  expire(): void;
};

/**
 * One timer for any number of deadlines, in steps of `stepMs`. A deadline that moved on is only put into a later slot
 * when its slot comes round, so hearing from a socket costs nothing here. One that moves closer is added again.
 */
export function createTimerWheel(elapsed: () => number, stepMs = 1_000, slotCount = 128) {
  const slots: Set<Deadline>[] = Array.from({ length: slotCount }, () => new Set());
  const place = new Map<Deadline, Set<Deadline>>();
  let step = Math.floor(elapsed() / stepMs);

  function put(deadline: Deadline): void {
    place.get(deadline)?.delete(deadline);
    const due = Math.max(step + 1, Math.ceil(deadline.at() / stepMs));
    // What lies further ahead than the wheel reaches waits in the last slot and is put again from there.
    const slot = slots[Math.min(due, step + slotCount - 1) % slotCount];
    if (!slot) return;
    slot.add(deadline);
    place.set(deadline, slot);
  }

  function turn(): void {
    const now = elapsed();
    const until = Math.floor(now / stepMs);
    for (let turns = Math.min(until - step, slotCount); turns > 0; turns -= 1) {
      step = until - turns + 1;
      // What is put again lands in another slot.
      for (const deadline of slots[step % slotCount] ?? []) {
        if (deadline.at() > now) put(deadline);
        else {
          remove(deadline);
          deadline.expire();
        }
      }
    }
  }

  function remove(deadline: Deadline): void {
    place.get(deadline)?.delete(deadline);
    place.delete(deadline);
  }

  const timer = setInterval(turn, stepMs);
  timer.unref();
  return { put, remove, turn, stop: () => clearInterval(timer) };
}
