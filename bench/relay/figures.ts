/** Figures as they are told: one JSON line each, and kept for the table. */

export type Scale = {
  readonly isQuick: boolean;
  readonly rounds: number;
  /** Whether tables and plots go into the docs. */ readonly isWritten: boolean;
};

export type Spread = {
  median: number;
  min: number;
  max: number;
  runs: number;
  /** As measured, round by round. */
  readonly values: readonly number[];
};

/** The middle one; the upper of two. */
export const medianOf = (values: readonly number[]): number =>
  [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;

export function spread(values: readonly number[]): Spread {
  const sorted = [...values].sort((a, b) => a - b);
  const round = (value: number | undefined): number => Number((value ?? Number.NaN).toPrecision(3));
  return {
    median: round(medianOf(values)),
    min: round(sorted[0]),
    max: round(sorted.at(-1)),
    runs: sorted.length,
    values,
  };
}

export type Figure = Spread & {
  readonly question: string;
  readonly who: string;
  readonly unit: string;
  /** Messages that did not arrive, or not in order. */
  readonly lost?: number;
  readonly [more: string]: unknown;
};

export type Figures = {
  readonly all: readonly Figure[];
  readonly skipped: readonly { question: string; who: string; why: string }[];
  add: (figure: Figure) => void;
  skip: (question: string, who: string, why: string) => void;
  /** The median of a figure; undefined where it was not taken. */
  of: (question: string, who: string) => number | undefined;
  /**
   * How many times the first figure the second is: the median over the rounds of what stood beside each other in them, since
   * a slow minute of the machine is slow for both. Undefined where one is missing, or was too small to be told from nothing
   * in most rounds.
   */
  ratio: (question: string, first: string, second: string) => number | undefined;
};

export function openFigures(tell: (line: object) => void): Figures {
  const all: Figure[] = [];
  const skipped: { question: string; who: string; why: string }[] = [];
  const find = (question: string, who: string): Figure | undefined =>
    all.find((one) => one.question === question && one.who === who);
  return {
    all,
    skipped,
    add(figure) {
      all.push(figure);
      tell({ ...figure, values: undefined });
    },
    skip(question, who, why) {
      skipped.push({ question, who, why });
      tell({ question, who, skipped: why });
    },
    of: (question, who) => {
      const found = find(question, who);
      return found && Number.isFinite(found.median) ? found.median : undefined;
    },
    ratio(question, first, second) {
      const [mine, theirs] = [find(question, first)?.values, find(question, second)?.values];
      if (!mine || !theirs || mine.length !== theirs.length || !(medianOf(mine) > 0 && medianOf(theirs) > 0))
        return undefined;
      // A difference of two large figures may come out below nothing. It stands for very little then, and is not left out:
      // without the rounds in which somebody was lucky the others would not be judged fairly.
      const ratios = mine.flatMap((value, round) => {
        const other = Math.max(0, theirs[round] ?? Number.NaN);
        return Number.isNaN(other) || (value <= 0 && other === 0) ? [] : [value <= 0 ? Infinity : other / value];
      });
      const told = medianOf(ratios);
      return ratios.length * 2 > mine.length && Number.isFinite(told) ? told : undefined;
    },
  };
}
