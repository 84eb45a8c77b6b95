/** The mirror as a page opens it that shows what is held: what fetches and searches is loaded elsewhere, as in the panel. */
import { openForShowing, type ShownCopy } from "../../../extension/mirror/mirror.ts";
import { openCopy, SHEET_ID, viewOf } from "./held.ts";
import type { Cell, Peer } from "./peer.ts";

let copy: ShownCopy;

export const peer: Pick<Peer, "open" | "viewport"> = {
  open: async () => void ({ copy } = await openCopy(openForShowing)),
  async viewport(place) {
    const view = await copy.viewport(SHEET_ID, viewOf(place));
    if (!view) throw new Error("There is no viewport.");
    return view.rows.map((cells): Cell[] => cells ?? []);
  },
};
