import { useEffect, useState } from "preact/hooks";
import type { ChangeSummary, HeldSpreadsheet } from "../../mirror/mirror.ts";
import type { Looks, PastLooks } from "../../queries/queries.ts";

/** The copy as it was before one change. */
export type Past =
  | { state: "looking" }
  | { state: "there"; copy: PastLooks; spreadsheet: HeldSpreadsheet }
  /** What went before is not kept on this machine. */
  | { state: "not-kept" }
  | { state: "failed" };

/** Goes back to before a change; nothing while none is named. */
export function usePast(copy: Looks, before: ChangeSummary | undefined): Past | undefined {
  const [past, setPast] = useState<{ seq: number; past: Past }>();
  const seq = before && before.seq - 1;
  useEffect(() => {
    if (seq === undefined) return undefined;
    let isGone = false;
    const find = async (): Promise<Past> => {
      const found = await copy.at({ seq });
      if (!found.ok) return { state: "not-kept" };
      const spreadsheet = await found.copy.sheets();
      return spreadsheet ? { state: "there", copy: found.copy, spreadsheet } : { state: "not-kept" };
    };
    find().then(
      (next) => !isGone && setPast({ seq, past: next }),
      () => !isGone && setPast({ seq, past: { state: "failed" } }),
    );
    return () => {
      isGone = true;
    };
  }, [copy, seq]);
  if (seq === undefined) return undefined;
  return past?.seq === seq ? past.past : { state: "looking" };
}
