/** The script's functions, called from its pages. */
import type { Answer } from "./words.ts";

type Runner = {
  withSuccessHandler(handler: (answer: unknown) => void): Runner;
  withFailureHandler(handler: (fault: unknown) => void): Runner;
} & Readonly<Record<string, (...args: readonly string[]) => void>>;

declare const google: { script: { run: Runner; host: { close(): void } } };

/** Never rejects: a call that did not come through is an answer that says so. */
export function callScript(name: string, ...args: readonly string[]): Promise<Answer> {
  return new Promise((resolve) => {
    const failed = (message: string) => resolve({ ok: false, message });
    const runner = google.script.run
      .withSuccessHandler((answer) => (answer ? resolve(answer as Answer) : failed("The script gave no answer.")))
      .withFailureHandler(() => failed("Google could not run the script. Reload the spreadsheet and try again."));
    const call = runner[name];
    if (call) call(...args);
    else failed("This page and the script do not belong together. Reload the spreadsheet.");
  });
}

export const closePage = (): void => google.script.host.close();

/** An element of the page that the code cannot do without. */
export function part<E extends HTMLElement>(id: string, kind: new () => E): E {
  const found = document.getElementById(id);
  if (!(found instanceof kind)) throw new Error(`The page has no ${id}.`);
  return found;
}
