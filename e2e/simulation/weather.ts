/** How bad things are: what may go wrong, how often, and whether it may now. */

import type { Oath } from "./witness.ts";

export type Weather = {
  /** While false nothing goes wrong any more and everything is quick. */
  isStormy: boolean;
  readonly odds: Odds;
};

/** Chances, each for one occasion. */
export type Odds = typeof roughOdds;

export const roughOdds = {
  /** A trigger run that Google never starts. */
  lostRun: 0.12,
  /** A trigger run that Google starts twice. */
  doubledRun: 0.05,
  /** A trigger run that starts up to 30 s late. */
  lateRun: 0.25,
  /** A run that Google ends, at each thing it asks. */
  killedRun: 0.002,
  /** A read that is not of one moment. */
  tornRead: 0.03,
  /** A run whose reads are cached until it flushes. */
  cachedRun: 0.1,
  /** A lock that is not to be had. */
  noLock: 0.05,
  /** A post that never arrives. */
  lostPost: 0.05,
  /** A post that arrives twice. */
  doubledPost: 0.03,
  /** A post that arrives up to 90 s late, when the script has given it up. */
  latePost: 0.04,
  /** A post that is taken, and whose answer never arrives. */
  lostAnswer: 0.04,
  /** A post that comes again with other contents under its id. */
  forgedPost: 0.01,
  /** A commit that the store refuses. */
  failedCommit: 0.02,
  /** A relay that dies at an access to its store. */
  relayCrash: 0.003,
  /** A relay that dies with the last of its log, as without a synced disk. */
  lostTail: 0.25,
  /** A feed socket that breaks, at each frame. */
  brokenSocket: 0.01,
  /** A snapshot that breaks off. */
  brokenSnapshot: 0.1,
  /** A worker that is killed, at each access to its copy. */
  workerCrash: 0.01,
};

/**
 * What kind of a bad day it is.
 *
 * - `storm`: everything goes wrong; a check for each sheet has to make all equal afterwards.
 * - `honest`: everything goes wrong but nothing of what happens in the sheet goes untold. Then, before any check, the
 *   relay is right or knows that it is not: never a silent error.
 * - `races`: honest, and few cells are edited again and again while posts come late, twice, or after a restart.
 * - `unseen`: the network is calm, and structure changes untold. An edit in what moved must show it.
 * - `formulas`: the network is calm, and what is typed changes the results of formulas in another sheet.
 */
export const days = ["storm", "honest", "races", "unseen", "formulas"] as const;
export type Day = (typeof days)[number];

const nothingUntold = { lostRun: 0, killedRun: 0, lostTail: 0, cachedRun: 0 };
const calm = Object.fromEntries(Object.keys(roughOdds).map((name) => [name, 0])) as Odds;

export const oddsOf: Record<Day, Odds> = {
  storm: roughOdds,
  honest: { ...roughOdds, ...nothingUntold },
  races: {
    ...roughOdds,
    ...nothingUntold,
    lateRun: 0.3,
    latePost: 0.35,
    doubledPost: 0.3,
    lostAnswer: 0.15,
    lostPost: 0.02,
    relayCrash: 0.006,
    tornRead: 0,
  },
  unseen: calm,
  formulas: calm,
};

const wholeRows = { wholeRows: true };
const noOath = { wholeRows: false };

/** What the log's changes must be like on such a day, beyond what always holds. */
export const oathOf: Record<Day, Oath> = {
  storm: noOath,
  honest: noOath,
  races: noOath,
  unseen: wholeRows,
  formulas: wholeRows,
};
