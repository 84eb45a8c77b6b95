import { useLayoutEffect } from "preact/hooks";
import type { ChangeSummary } from "../../mirror/mirror.ts";

/**
 * A measuring point: when each change was drawn, the last thousand, for whoever asks how long an edit takes to the eye.
 * `loggedAt` is the relay's clock, `drawnAt` this machine's, both in milliseconds since 1970. A change counts as drawn in
 * the first task after the frame that shows it.
 */
export type Drawn = { seq: number; loggedAt: number; drawnAt: number };
declare global {
  var __sheetwireDrawn: Drawn[] | undefined;
}
const MOST = 1_000;

/** Notes the changes that are on screen after this render. `changes` stand newest first. */
export function useDrawn(changes: readonly ChangeSummary[]): void {
  useLayoutEffect(() => {
    const newest = changes[0]?.seq ?? 0;
    const noted = globalThis.__sheetwireDrawn?.at(-1)?.seq ?? 0;
    if (newest <= noted) return;
    const fresh = changes.filter((change) => change.seq > noted).reverse();
    const frame = requestAnimationFrame(() => {
      const { port1, port2 } = new MessageChannel();
      port1.onmessage = () => {
        port1.close();
        const drawnAt = Date.now();
        const drawn = (globalThis.__sheetwireDrawn ??= []);
        const last = drawn.at(-1)?.seq ?? 0;
        for (const { seq, loggedAt } of fresh) if (seq > last) drawn.push({ seq, loggedAt, drawnAt });
        if (drawn.length > MOST) drawn.splice(0, drawn.length - MOST);
      };
      port2.postMessage(null);
    });
    // A later render before the frame shows these too, and notes them then.
    return () => cancelAnimationFrame(frame);
  }, [changes]);
}
