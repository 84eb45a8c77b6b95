/** What the script found, in words for the person who looks at the panel. */

/** What the script's functions answer to its pages. */
export type Answer = {
  readonly ok: boolean;
  readonly message?: string;
  readonly notice?: string;
  readonly connected?: boolean;
  readonly answeredInMs?: number;
  readonly words?: string;
  readonly wantsLeft?: boolean;
  readonly kept?: boolean;
  readonly triggerMissing?: boolean;
};

export type Words = {
  readonly tone: "good" | "waiting" | "bad" | "quiet";
  readonly headline: string;
  readonly detail: string;
};

export function describe(answer: Answer): Words {
  if (!answer.ok) return { tone: "bad", headline: "No answer from the script", detail: answer.message ?? "" };
  if (!answer.connected) {
    return {
      tone: "quiet",
      headline: "Not connected",
      detail: "Paste a connection string to send this spreadsheet's edits to your relay.",
    };
  }
  if (answer.answeredInMs === undefined) {
    const follow = answer.kept ? " What was edited meanwhile is remembered and will follow." : "";
    return { tone: "bad", headline: "Not getting through", detail: `${answer.words ?? ""}${follow}` };
  }
  if (answer.triggerMissing) {
    return {
      tone: "bad",
      headline: "A trigger is missing",
      detail: "Some edits are not noticed. Connect again with the same connection string to put it back.",
    };
  }
  if (answer.wantsLeft || answer.kept) {
    return {
      tone: "waiting",
      headline: "Catching up",
      detail: "The relay is still being told what the sheet holds. It follows by itself.",
    };
  }
  return {
    tone: "good",
    headline: "Connected",
    detail: `The relay answered just now, in ${(answer.answeredInMs / 1_000).toFixed(1)} s. Every edit is sent as it happens.`,
  };
}
