import { setTimeout as wait } from "node:timers/promises";

const WITHIN_MS = 30_000;

/** Waits until so many more posts were taken; work that does not go on is a fault of its own. */
export async function progress(acknowledged: () => number, more: number): Promise<void> {
  const enough = acknowledged() + more;
  for (let left = WITHIN_MS / 5; acknowledged() < enough; left -= 1) {
    if (left <= 0) throw new Error(`Within ${WITHIN_MS} ms no ${more} further posts were taken.`);
    await wait(5);
  }
}
