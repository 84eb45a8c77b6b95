import type { ChangeSummary } from "./summary.ts";

/** Word of a commit, for everybody who shows the mirror, in whatever context. What it does not say is to be read again. */
export type Notice = {
  spreadsheetId: string;
  /** Changes applied, rows of a copy that is arriving, another copy shown, or everything of it gone. */
  what: "changes" | "arriving" | "copy" | "forgotten";
  /** The place of the shown copy after the commit. */
  seq?: number;
  /** What a small commit changed, in words, newest first, and the place of the copy before it: for a list that stands there. */
  news?: { afterSeq: number; changes: readonly ChangeSummary[] };
};

export type Notices = {
  tell: (notice: Notice) => void;
  subscribe: (listener: (notice: Notice) => void) => () => void;
  close: () => void;
};

/** Carries notices to listeners here at once and to other contexts by a BroadcastChannel, after the commit. */
export function createNotices(name: string): Notices {
  const listeners = new Set<(notice: Notice) => void>();
  const channel = new BroadcastChannel(name);
  const deliver = (notice: Notice): void => {
    for (const listener of listeners) listener(notice);
  };
  // Only contexts of this extension can speak on this channel, or hear what is said there.
  channel.onmessage = (event: MessageEvent<Notice>) => deliver(event.data);
  return {
    tell: (notice) => {
      deliver(notice);
      channel.postMessage(notice);
    },
    subscribe: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    close: () => {
      listeners.clear();
      channel.close();
    },
  };
}
