/**
 * The relay's judgement: what a post proves, what it leaves open, and what to ask for next. Pure but for the state and
 * the desk that are handed in; no clock, no store, no network.
 *
 * - W1: content is applied only by a reading that is certainly younger than what it overwrites, or else is read again.
 * - W2: nothing is applied by index across a change of layout.
 * - W3: a doubt ends only with the answer to a want that was issued after it arose.
 * - W4: every reading that is dropped leaves something on the desk that will be asked for.
 */
export { emptyDesk, loadDesk, storeDesk, withTimesOf, type Desk } from "./desk.ts";
export { foldPost, type Emit } from "./fold/fold.ts";
export { issueWants } from "./issue.ts";
export { answeringUntil, letGo, openWork, wantCheck, type OpenWork } from "./check.ts";
export { factsOf, noteAnswered, noteHeard, noteUnanswered } from "./facts.ts";
export { whatIsDue, type CallHealth } from "./policy.ts";
export { contradictionIn } from "./contradiction.ts";
export { align } from "./align.ts";
