/** Figures as they are told: one JSON line each, and kept for the table. */

export type Scale = {
  readonly isQuick: boolean;
  readonly rounds: number;
  /** Whether tables and plots go into the docs. */ readonly isWritten: boolean;
};

export type Spread = { median: number; min: number; max: number; runs: number };

export function spread(values: readonly number[]): Spread {
  const sorted = [...values].sort((a, b) => a - b);
  const round = (value: number | undefined): number => Number((value ?? Number.NaN).toPrecision(3));
  return {
    median: round(sorted[Math.floor(sorted.length / 2)]),
    min: round(sorted[0]),
    max: round(sorted.at(-1)),
    runs: sorted.length,
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
};

export function openFigures(tell: (line: object) => void): Figures {
  const all: Figure[] = [];
  const skipped: { question: string; who: string; why: string }[] = [];
  return {
    all,
    skipped,
    add(figure) {
      all.push(figure);
      tell(figure);
    },
    skip(question, who, why) {
      skipped.push({ question, who, why });
      tell({ question, who, skipped: why });
    },
    of: (question, who) => {
      const found = all.find((one) => one.question === question && one.who === who);
      return found && Number.isFinite(found.median) ? found.median : undefined;
    },
  };
}
