/** How it is found out what to show, and how it is shown. */
export type FollowNeeds = {
  /** The spreadsheet in the tab in front, if it shows one. */
  find: () => Promise<string | undefined>;
  show: (spreadsheetId: string) => void;
  /** Gathers what is shown where there is no sheet; what comes back shows it. */
  gather: () => Promise<() => void>;
};

/**
 * Shows what the tab in front shows. Finding that out and gathering takes its time, and another tab may be in front by
 * then: what was begun before the latest is not shown any more.
 */
export function followTab({ find, show, gather }: FollowNeeds): {
  follow: () => Promise<void>;
  choose: (spreadsheetId: string) => void;
} {
  let turn = 0;
  let shown: string | undefined;
  const choose = (spreadsheetId: string): void => {
    turn += 1;
    if (spreadsheetId === shown) return;
    shown = spreadsheetId;
    show(spreadsheetId);
  };
  return {
    choose,
    async follow() {
      turn += 1;
      const mine = turn;
      const next = await find();
      if (mine !== turn) return;
      if (next !== undefined) {
        choose(next);
        return;
      }
      const showNone = await gather();
      if (mine !== turn) return;
      shown = undefined;
      showNone();
    },
  };
}
