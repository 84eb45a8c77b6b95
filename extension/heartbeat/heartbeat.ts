/**
 * Says to the background that somebody is looking at a spreadsheet, and hears its facts. This is what keeps the
 * background alive and revives it, in both browsers. It is part of the content script, so it carries no schema library.
 */
import { useEffect, useState } from "preact/hooks";
import { browser } from "wxt/browser";
import { limits } from "@sheetwire/shared/limits";
import type { SyncFacts } from "@sheetwire/shared/status";
import type { Ask } from "../status/status.ts";

/** How often a surface says that somebody is looking, in milliseconds. A background is ended after 30 s of silence. */
export const HERE_EVERY_MS = 20_000;
/** After this long without a word nobody is looking, in milliseconds. */
export const GONE_AFTER_MS = 60_000;

export type FactsListeners = {
  /** Finds the facts in a message of the background, or nothing. */
  read: (message: unknown, spreadsheetId: string) => SyncFacts | undefined;
  onFacts: (facts: SyncFacts) => void;
  /** Called once, when this surface was left behind by an update of the extension. */
  onLost?: () => void;
};

/** Says `here` now and every 20 s; hands on the facts that come back, and those told in between. */
export function followFacts(spreadsheetId: string, { read, onFacts, onLost }: FactsListeners): () => void {
  let isStopped = false;
  const take = (message: unknown): void => {
    const facts = isStopped ? undefined : read(message, spreadsheetId);
    if (facts) onFacts(facts);
  };
  const onMessage = (message: unknown): undefined => {
    take(message);
    return undefined;
  };
  const stop = (): void => {
    isStopped = true;
    clearInterval(timer);
    if (browser.runtime?.id) browser.runtime.onMessage.removeListener(onMessage);
  };
  const lose = (): void => {
    if (isStopped) return;
    stop();
    onLost?.();
  };
  const here = async (): Promise<void> => {
    if (!browser.runtime?.id) {
      lose();
      return;
    }
    try {
      take(await browser.runtime.sendMessage({ kind: "here", spreadsheetId } satisfies Ask));
    } catch (error) {
      if (isContextGone(error)) lose();
      // Otherwise the background was just being ended or started; the next beat reaches it, and facts expire meanwhile.
    }
  };
  browser.runtime.onMessage.addListener(onMessage);
  const timer = setInterval(() => void here(), HERE_EVERY_MS);
  void here();
  return stop;
}

/** Whether there has been no answer for so long that there will hardly be one. */
export function useIsLate(hasAnswer: boolean): boolean {
  const [isLate, setLate] = useState(false);
  useEffect(() => {
    if (hasAnswer) return;
    const timer = setTimeout(() => setLate(true), limits.liveMaxSilenceMs);
    return () => clearTimeout(timer);
  }, [hasAnswer]);
  return isLate && !hasAnswer;
}

/** A content script that outlived an update of its extension has no way back; the tab has to be reloaded. */
export const isContextGone = (error: unknown): boolean =>
  error instanceof Error && /context invalidated/i.test(error.message);

/**
 * Finds facts without the schemas: for the content script, which may not be large and hears only our own background.
 * What describes a status looks at these fields; they are checked one by one.
 */
export function readFactsLightly(message: unknown, spreadsheetId: string): SyncFacts | undefined {
  if (!isRecord(message) || !isRecord(message["facts"])) return undefined;
  if (message["kind"] === "facts" && message["spreadsheetId"] !== spreadsheetId) return undefined;
  const facts = message["facts"];
  const isLink = ["none", "connecting", "up", "refused"].includes(String(facts["link"]));
  const isCopy = ["none", "fetching", "whole"].includes(String(facts["copy"]));
  if (!isLink || !isCopy || typeof facts["behindBy"] !== "number") return undefined;
  return facts as SyncFacts;
}

const isRecord = (value: unknown): value is Record<string, unknown> => typeof value === "object" && value !== null;

/** The spreadsheet's id in the address of an open sheet. */
export const spreadsheetIdIn = (address: string): string | undefined =>
  /\/spreadsheets\/(?:u\/\d+\/)?d\/([\w-]{5,128})(?:[/?#]|$)/.exec(address)?.[1];
