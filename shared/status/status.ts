/** Facts -> the words that every surface shows. Pure: the clock is handed in, and nothing here is ever stored. */
import { limits } from "@sheetwire/shared/limits";
import type { NextStep, RefusalCode, RelayFacts } from "@sheetwire/shared/protocol";

/** What a surface knows now: of its own link to the relay, of its copy, and what the relay last said. */
export type SyncFacts = {
  link: "none" | "connecting" | "up" | "refused";
  /** When the relay said anything last, in milliseconds by this machine's clock. */
  linkHeardAt?: number | undefined;
  /** Why the relay said no, and what to do. */
  refused?: { code: RefusalCode; nextStep: NextStep } | undefined;
  /** Changes known to exist and not yet in the copy. */
  behindBy: number;
  /** Whether there is a copy at all, and whether one is being fetched. */
  copy: "none" | "fetching" | "whole";
  /** Rows fetched and to fetch, while the first copy or a new one arrives. */
  fetched?: { rows: number; ofRows: number } | undefined;
  /** When a change was applied last, by this machine's clock. */
  lastChangeAt?: number | undefined;
  /** The copy disagreed with a digest of the relay and is being fetched again. */
  mismatch?: boolean | undefined;
  /** Why the copy cannot be kept: a newer version made it, the disk is full, or the browser's store failed. */
  storage?: "newer" | "full" | "failed" | undefined;
  relay?: RelayFacts | undefined;
  /** This machine's clock minus the relay's, in milliseconds. */
  clockAheadMs?: number | undefined;
};

export type Tone = "good" | "waiting" | "bad" | "quiet";

/**
 * What a person reads. `headline` is one short sentence; it holds nothing that counts or ages, since screen readers speak
 * it whenever it changes. `detail` is what it means, `action` what to do.
 */
export type Status = {
  tone: Tone;
  /** A word or two for the badge. */
  word: string;
  headline: string;
  detail: string;
  action?: string | undefined;
  /** "Checked against the sheet at 12:03:05", when there is proof. */
  checkedAt?: number | undefined;
};

/** Makes the one Status of these facts at this moment (milliseconds by this machine's clock). */
export function describeStatus(facts: SyncFacts, now: number): Status {
  const checkedAt = onOurClock(facts.relay?.sweep.lastFullAt, facts);
  const proof = checkedAt === undefined ? {} : { checkedAt };
  return { ...describe(facts, now), ...proof };
}

function describe(facts: SyncFacts, now: number): Status {
  if (facts.storage) return { tone: "bad", ...storageWords[facts.storage] };
  if (facts.link === "none" && facts.copy === "none") {
    return {
      tone: "quiet",
      word: "Not set up",
      headline: "This spreadsheet is not connected.",
      detail: "Sheetwire has no relay for it yet.",
      action: "Open the options and add the relay's address and your token.",
    };
  }
  if (facts.link === "refused" && facts.refused) return describeRefusal(facts.refused);
  // Heard in the future: the clock was set back since, and nothing says how long ago that was.
  const silentMs = facts.linkHeardAt === undefined ? Infinity : Math.abs(now - facts.linkHeardAt);
  if (facts.link !== "up" || silentMs > limits.liveMaxSilenceMs) {
    const since =
      facts.linkHeardAt === undefined || facts.linkHeardAt > now
        ? ""
        : ` Last heard from the relay ${ago(facts.linkHeardAt, now)}.`;
    return {
      tone: "bad",
      word: "Offline",
      headline: facts.copy === "whole" ? "Offline. You see the copy as it was." : "No connection to the relay.",
      detail: `Edits are kept by the sheet and the relay, and will follow.${since}`,
      action: "Nothing to do: Sheetwire keeps trying. If it stays like this, ask whoever runs the relay.",
    };
  }
  if (facts.mismatch) {
    return {
      tone: "waiting",
      word: "Repairing",
      headline: "The copy differed from the sheet and is being fetched again.",
      detail: "This is noticed by comparing digests. The sheet itself is not touched.",
    };
  }
  if (facts.copy !== "whole") {
    const { fetched } = facts;
    return {
      tone: "waiting",
      word: "Copying",
      headline: "Fetching the copy.",
      detail: `${fetched ? `${fetched.rows} of ${fetched.ofRows} rows. ` : ""}What has arrived can be read already.`,
    };
  }
  if (facts.behindBy > 0) {
    return {
      tone: "waiting",
      word: "Catching up",
      headline: "Catching up.",
      detail: `The relay has ${count(facts.behindBy, "change")} that ${facts.behindBy === 1 ? "is" : "are"} not in the copy yet.`,
    };
  }
  return describeScript(facts, now);
}

/** The link is up and the copy holds all the relay has: how well does the relay know the sheet? */
function describeScript(facts: SyncFacts, now: number): Status {
  const { relay } = facts;
  if (!relay || relay.script.lastHeardAt === undefined) {
    return {
      tone: "waiting",
      word: "Waiting",
      headline: "Waiting for the spreadsheet to report.",
      detail: "The relay is reached, but the sheet's script has not said anything yet.",
      action: "In the spreadsheet, choose Sheetwire > Connect.",
    };
  }
  const heardAt = onOurClock(relay.script.lastHeardAt, facts) ?? now;
  const heard = `Last heard from the sheet ${ago(heardAt, now)}.`;
  const resumesAt = onOurClock(relay.allowance.resumesAt, facts);
  // Triggers are paused; a web app or an open panel goes on answering, and changes come with its checks.
  const goesOn = relay.script.answerers.some((answerer) => answerer !== "trigger");
  if (resumesAt !== undefined && resumesAt > now && goesOn) {
    return {
      tone: "waiting",
      word: "Slower",
      headline: "Google's daily allowance for triggers is used up.",
      detail: `Until ${clock(resumesAt)} edits are picked up by checks, not at once. ${heard}`,
    };
  }
  if (resumesAt !== undefined && resumesAt > now) {
    return {
      tone: "bad",
      word: "Paused",
      headline: "Google's daily allowance for scripts is used up.",
      detail: `Edits are picked up again at ${clock(resumesAt)}. ${heard}`,
    };
  }
  const unansweredSince = onOurClock(relay.script.callUnansweredSince, facts);
  if (unansweredSince !== undefined && now - unansweredSince >= limits.callAnswerWithinMs) {
    return {
      tone: "bad",
      word: "No answer",
      headline: "The spreadsheet does not answer.",
      detail: `The relay asked its script ${ago(unansweredSince, now)} and keeps asking. ${heard} Edits since then may be missing here.`,
      action: "If it stays like this: in the spreadsheet, choose Sheetwire > Check now.",
    };
  }
  if (now - heardAt > 2 * limits.tickEveryMs) {
    return {
      tone: "bad",
      word: "Script silent",
      headline: "The spreadsheet's script is silent.",
      detail: `${heard} It should have reported at least every ${limits.tickEveryMs / 60_000} minutes.`,
      action: "In the spreadsheet, choose Sheetwire > Connect to install its triggers again.",
    };
  }
  if (relay.firstCopy && relay.firstCopy.doneCells < relay.firstCopy.totalCells) {
    const percent = Math.floor((100 * relay.firstCopy.doneCells) / Math.max(1, relay.firstCopy.totalCells));
    return {
      tone: "waiting",
      word: "Copying",
      headline: "The sheet is being read for the first time.",
      detail: `${percent} % so far. What has been read is here already. ${heard}`,
    };
  }
  const { openRows, unprovenRows, volatileRows = 0 } = relay.sweep;
  if (openRows > 0) {
    return {
      tone: "waiting",
      word: "Checking",
      headline: "Some rows are being read again.",
      detail: `${count(openRows, "row")} changed in a way that needs another look. ${heard}`,
    };
  }
  const nextBy = onOurClock(relay.sweep.nextBy, facts);
  const next =
    nextBy === undefined
      ? ""
      : nextBy < now
        ? ` The check of ${clock(nextBy)} is late.`
        : ` Next check by ${clock(nextBy)}.`;
  const changed = facts.lastChangeAt === undefined ? "" : `Last change ${ago(facts.lastChangeAt, now)}. `;
  const unchecked = unprovenRows === 0 ? "" : ` ${count(unprovenRows, "row")} changed or moved since the last check.`;
  const moving = volatileRows === 0 ? "" : ` ${count(volatileRows, "row")} always changing: read at each check only.`;
  return {
    tone: "good",
    word: "Up to date",
    headline: "Up to date.",
    detail: `${changed}${heard}${unchecked}${moving}${next}`,
  };
}

const storageWords: Record<
  NonNullable<SyncFacts["storage"]>,
  Pick<Status, "word" | "headline" | "detail" | "action">
> = {
  newer: {
    word: "Update",
    headline: "The copy on this machine was made by a newer version.",
    detail: "It is left as it is. The sheet and the relay are not affected.",
    action: "Update the extension.",
  },
  full: {
    word: "No room",
    headline: "There is no room left for the copy.",
    detail: "The copy stands as it was before the last changes. The sheet and the relay are not affected.",
    action: "Free some disk space; Sheetwire goes on by itself.",
  },
  failed: {
    word: "Stuck",
    headline: "The browser cannot write the copy.",
    detail: "Its storage failed. The sheet and the relay are not affected, and Sheetwire keeps trying.",
    action: "If it stays like this, restart the browser.",
  },
};

const refusalWords: Partial<Record<NextStep, Pick<Status, "headline" | "detail" | "action">>> = {
  "ask-for-access": {
    headline: "The relay does not accept this token.",
    detail: "It may have been revoked, or it belongs to another spreadsheet.",
    action: "Ask for a new token and enter it in the options.",
  },
  "ask-user-to-update": {
    headline: "This version of Sheetwire is too old for the relay.",
    detail: "The relay speaks a newer protocol.",
    action: "Update the extension.",
  },
};

function describeRefusal(refused: { code: RefusalCode; nextStep: NextStep }): Status {
  const words = refusalWords[refused.nextStep] ?? {
    headline: "The relay refused the connection.",
    detail: `It said: ${refused.code}.`,
    action: "Sheetwire tries again by itself. If it stays like this, ask whoever runs the relay.",
  };
  return { tone: "bad", word: "Refused", ...words };
}

const onOurClock = (relayMs: number | undefined, facts: SyncFacts): number | undefined =>
  relayMs === undefined ? undefined : relayMs + (facts.clockAheadMs ?? 0);

const count = (n: number, noun: string): string => `${n} ${noun}${n === 1 ? "" : "s"}`;

/** Before the background has answered for the first time. */
export const STARTING: Status = {
  tone: "quiet",
  word: "Starting",
  headline: "Sheetwire is starting.",
  detail: "Asking for the state of the sync.",
};

/** When it has not answered after {@link limits.liveMaxSilenceMs}. */
export const NOT_RUNNING: Status = {
  tone: "bad",
  word: "Not running",
  headline: "Sheetwire's background does not answer.",
  detail: "Nothing is followed, and what you see may be old.",
  action: "Restart the browser, or switch the extension off and on.",
};

/** How long ago, in words for people: "just now", "12 s ago", "4 min ago", "3 h ago", "2 d ago". */
export function ago(then: number, now: number): string {
  const seconds = Math.max(0, Math.round((now - then) / 1000));
  if (seconds < 2) return "just now";
  if (seconds < 60) return `${seconds} s ago`;
  if (seconds < 3_600) return `${Math.floor(seconds / 60)} min ago`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3_600)} h ago`;
  return `${Math.floor(seconds / 86_400)} d ago`;
}

/** A wall-clock time, hours and minutes, in the reader's zone. */
export function clock(moment: number): string {
  const date = new Date(moment);
  return `${String(date.getHours()).padStart(2, "0")}:${String(date.getMinutes()).padStart(2, "0")}`;
}
