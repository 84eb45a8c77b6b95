import type { Entry } from "./entry.ts";
import type { Head } from "./record.ts";

/** Told of an entry that became durable, and of the life of the log that it belongs to. */
export type OnEntry = (spreadsheetId: string, entry: Entry, epoch: string) => void;

/** Told that the log of a spreadsheet began a life, and where: what was told of the one before means nothing any more. */
export type OnLife = (spreadsheetId: string, head: Head) => void;

export type Followers = {
  add(onEntry: OnEntry, onLife?: OnLife): () => void;
  tell: OnEntry;
  tellLife: OnLife;
};

/**
 * Those who follow a log. What is told is durable already, so a follower that throws must not make its append look
 * failed, nor keep the others from hearing: its error goes to `onFault`.
 */
export function followers(onFault: (error: unknown) => void): Followers {
  const all = new Set<{ readonly onEntry: OnEntry; readonly onLife: OnLife | undefined }>();
  const tellAll = (tell: (follower: { onEntry: OnEntry; onLife: OnLife | undefined }) => void): void => {
    for (const follower of all) {
      try {
        tell(follower);
      } catch (error) {
        onFault(error);
      }
    }
  };
  return {
    add(onEntry, onLife) {
      // An object of its own, so that one who follows twice is told twice, and leaves once.
      const follower = { onEntry, onLife };
      all.add(follower);
      return () => all.delete(follower);
    },
    tell: (...told) => tellAll(({ onEntry }) => onEntry(...told)),
    tellLife: (...told) => tellAll(({ onLife }) => onLife?.(...told)),
  };
}
