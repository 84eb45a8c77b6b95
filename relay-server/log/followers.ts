import type { Entry } from "./entry.ts";

/** Told of an entry that became durable, and of the life of the log that it belongs to. */
export type OnEntry = (spreadsheetId: string, entry: Entry, epoch: string) => void;

export type Followers = {
  add(onEntry: OnEntry): () => void;
  tell: OnEntry;
};

/**
 * Those who follow a log. What is told is durable already, so a follower that throws must not make its append look
 * failed, nor keep the others from hearing: its error goes to `onFault`.
 */
export function followers(onFault: (error: unknown) => void): Followers {
  const all = new Set<OnEntry>();
  return {
    add(onEntry) {
      // A function of its own, so that one who follows twice is told twice, and leaves once.
      const follower: OnEntry = (...told) => onEntry(...told);
      all.add(follower);
      return () => all.delete(follower);
    },
    tell(spreadsheetId, entry, epoch) {
      for (const follower of all) {
        try {
          follower(spreadsheetId, entry, epoch);
        } catch (error) {
          onFault(error);
        }
      }
    },
  };
}
