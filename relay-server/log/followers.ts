import type { Entry } from "./record.ts";

export type Followers = {
  add(onEntry: (spreadsheetId: string, entry: Entry) => void): () => void;
  tell(spreadsheetId: string, entry: Entry): void;
};

/**
 * Those who follow a log. What is told is durable already, so a follower that throws must not make its append look
 * failed, nor keep the others from hearing: its error goes to `onFault`.
 */
export function followers(onFault: (error: unknown) => void): Followers {
  const all = new Set<(spreadsheetId: string, entry: Entry) => void>();
  return {
    add(onEntry) {
      const follower = (spreadsheetId: string, entry: Entry): void => onEntry(spreadsheetId, entry);
      all.add(follower);
      return () => all.delete(follower);
    },
    tell(spreadsheetId, entry) {
      for (const follower of all) {
        try {
          follower(spreadsheetId, entry);
        } catch (error) {
          onFault(error);
        }
      }
    },
  };
}
