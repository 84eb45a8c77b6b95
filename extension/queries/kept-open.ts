import type { Mirror, Notice } from "../mirror/mirror.ts";

export type Refused = { ok: false; why: "newer" | "failed" };
export type Opens<M extends Pick<Mirror, "subscribe" | "onLost" | "close">> = () => Promise<
  { ok: true; mirror: M } | Refused
>;

export type KeptOpen<M> = {
  /** The mirror as it is open now. Throws `InvalidStateError` where it cannot be opened (again). */
  mirror: () => Promise<M>;
  /** Opens it, or says why not; what is open stays so. */
  open: () => Promise<{ ok: true } | Refused>;
  close: () => void;
};

/** Keeps the mirror open: when the browser takes the database away, it is opened again, to hear of what comes next. */
export function keepOpen<M extends Pick<Mirror, "subscribe" | "onLost" | "close">>(
  opens: Opens<M>,
  onNotice: (notice: Notice) => void = () => {},
): KeptOpen<M> {
  let opening: ReturnType<Opens<M>> | undefined;
  let isClosed = false;

  async function begin(): ReturnType<Opens<M>> {
    const result = await opens();
    if (!result.ok || isClosed) {
      opening = undefined;
      if (result.ok) result.mirror.close();
    } else {
      result.mirror.subscribe(onNotice);
      result.mirror.onLost(() => {
        opening = undefined;
        // Its database is gone, but it would go on hearing of the commits in the next one.
        result.mirror.close();
        if (!isClosed) void opened();
      });
    }
    return result;
  }
  const opened = (): ReturnType<Opens<M>> => (opening ??= begin());

  return {
    async mirror() {
      const result = await opened();
      if (!result.ok) throw new DOMException(`The mirror cannot be opened: ${result.why}.`, "InvalidStateError");
      return result.mirror;
    },
    async open() {
      const result = await opened();
      return result.ok ? { ok: true } : { ok: false, why: result.why };
    },
    close() {
      isClosed = true;
      void opening?.then((result) => result.ok && result.mirror.close());
      opening = undefined;
    },
  };
}
