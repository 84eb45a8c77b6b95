/** How bad things are: what may go wrong, how often, and whether it may now. */

export type Weather = {
  /** While false nothing goes wrong any more and everything is quick. */
  isStormy: boolean;
  readonly odds: Odds;
};

/** Chances, each for one occasion, and the skew of clocks. */
export type Odds = typeof roughOdds;

const roughOdds = {
  /** By how much the clocks of runs are off, in either direction, in milliseconds. */
  clockSkewMs: 500,
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
  /** A run that ends with its post still under way, which arrives up to four minutes late. */
  abandonedPost: 0.002,
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
  /** A call of the web app that never reaches the script, or whose answer is lost. */
  lostCall: 0.1,
};

/** What is asked of every change of the log on some days, beyond what always holds. */
export type Oath = {
  /** Whole rows of the state were rows of the table: no cell of one moment stands beside a cell of another. */
  readonly wholeRows?: boolean;
  /** Rows of which nothing is open or unproven stood where they are said to be when their order was read, or later. */
  readonly inPlace?: boolean;
  /** A row that changes at every look is told at most once a check. */
  readonly onceACheck?: boolean;
};

/** What a day is like. */
export type DayPlan = {
  readonly odds: Odds;
  /** How often people pause for 10 to 100 seconds. */
  readonly breaks: number;
  /** How often the script's timer starts a check, at each thing that happens. */
  readonly ticks: number;
  /** How often the relay is stopped, and how often the browser's worker. */
  readonly crashes: {
    readonly relay: number;
    readonly worker: number;
    /** The relay is stopped within this time of what happens, and not with it, in milliseconds. */
    readonly withinMs?: number;
  };
  /**
   * When the relay must be right or know that it is not: `each` time that nothing is under way, at the `end`, or only after
   * checks, where something happens that nobody tells of.
   */
  readonly silence: "each" | "end" | "after checks";
  readonly oath: Oath;
  /** Limits so small that a little table has windows as a large one has; by chance where it is not said. */
  readonly isSmall?: boolean;
};

const nothingUntold = { lostRun: 0, killedRun: 0, abandonedPost: 0, lostTail: 0, cachedRun: 0 };
const calm = Object.fromEntries(Object.keys(roughOdds).map((name) => [name, 0])) as Odds;

const rough: DayPlan = {
  odds: roughOdds,
  breaks: 0.1,
  ticks: 0.04,
  crashes: { relay: 0.02, worker: 0.02 },
  silence: "after checks",
  oath: {},
};
const still: DayPlan = {
  odds: calm,
  breaks: 1,
  ticks: 0,
  crashes: { relay: 0, worker: 0 },
  silence: "each",
  oath: {},
};

/**
 * What kinds of bad days there are.
 *
 * - `storm`: everything goes wrong; a check for each sheet has to make all equal afterwards.
 * - `honest`: everything goes wrong but nothing of what happens in the sheet goes untold. Then, before any check, the
 *   relay is right or knows that it is not: never a silent error.
 * - `races`: honest, and few cells are edited again and again while posts come late, twice, or after a restart.
 * - `late`: one cell is edited again and again, and posts whose runs have ended arrive minutes late, also after a restart.
 * - `boxes`: boxes are ticked and unticked, and what was read in between arrives last.
 * - `restarts`: the same, and the relay starts again between what is read and its arrival.
 * - `lists`: rows are sorted while digests that were read before are still under way.
 * - `windows`: rows move untold between two looks of one check.
 * - `unseen`: the network is calm, and structure changes untold or told by half. An edit in what moved must show it.
 * - `formulas`: the network is calm, and what is typed changes the results of formulas in another sheet.
 * - `slow`: the same, and results change one after the other while they are read.
 * - `restless`: a formula shows something else at every look.
 */
export const planOf = {
  storm: rough,
  honest: { ...rough, odds: { ...roughOdds, ...nothingUntold }, silence: "end" },
  races: {
    odds: {
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
    breaks: 0.3,
    ticks: 0.04,
    crashes: { relay: 0.12, worker: 0.02 },
    silence: "end",
    oath: {},
  },
  late: {
    ...still,
    odds: { ...calm, abandonedPost: 0.3 },
    breaks: 0.4,
    crashes: { relay: 0.08, worker: 0 },
  },
  boxes: {
    ...still,
    odds: { ...calm, abandonedPost: 0.3 },
    breaks: 0.4,
    crashes: { relay: 0.2, worker: 0 },
  },
  restarts: {
    ...still,
    odds: { ...calm, abandonedPost: 0.4 },
    breaks: 0.5,
    crashes: { relay: 0.5, worker: 0, withinMs: 30_000 },
  },
  lists: { ...still, odds: { ...calm, latePost: 0.4, lateRun: 0.2 }, breaks: 0.1, ticks: 0.4, silence: "end" },
  windows: { ...still, breaks: 0.1, ticks: 0.5, silence: "after checks", oath: { inPlace: true }, isSmall: true },
  unseen: { ...still, oath: { wholeRows: true } },
  formulas: { ...still, oath: { wholeRows: true } },
  slow: { ...still, silence: "after checks", oath: { wholeRows: true }, isSmall: false },
  restless: { ...still, ticks: 0.5, silence: "after checks", oath: { onceACheck: true } },
} satisfies Record<string, DayPlan>;

export type Day = keyof typeof planOf;
export const days = Object.keys(planOf) as Day[];

/** Days as they come: mostly those on which everything goes wrong. */
export const calendar: readonly Day[] = [
  ...Array.from({ length: 7 }, () => "storm" as const),
  ...Array.from({ length: 5 }, () => "honest" as const),
  "races",
  "races",
  "late",
  "boxes",
  "restarts",
  "lists",
  "windows",
  "unseen",
  "formulas",
  "slow",
  "restless",
];
