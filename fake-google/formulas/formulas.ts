/** Works formulas out, and after a change only those which it reaches. */
import FormulaParser from "fast-formula-parser";
import { isError, type Area, type CellError, type Value } from "../cell/cell.ts";
import { referencesIn, rewrite, write, type Reference } from "./references.ts";
import { createResults, sameValue } from "./results.ts";

export {
  movedReferences,
  referencesIn,
  remapped,
  retitled,
  shifted,
  type Mapping,
  type Reference,
} from "./references.ts";

export type Spot = { readonly sheetId: number; readonly row: number; readonly column: number };
export type Region = Area & { readonly sheetId: number };

export type CalculatorNeeds = {
  valueAt: (sheetId: number, row: number, column: number) => Value;
  /** Only as far as the sheet is used: an open range must not cost its whole height. */
  rowsAt: (region: Region) => Value[][];
  sheetIdOf: (title: string) => number | undefined;
  titleOf: (sheetId: number) => string;
  usedOf: (sheetId: number) => { rows: number; columns: number };
  store: (spot: Spot, value: Value) => void;
  /** The wall clock of the spreadsheet, as a serial. */
  nowSerial: () => number;
  random: () => number;
  /** Whether arguments are parted by `;` and decimals by a comma. */
  usesSemicolons: () => boolean;
};

type Node = Spot & { readonly text: string; readonly precedents: readonly Region[]; readonly volatile: boolean };

const volatileNames = /\b(NOW|TODAY|RAND|RANDBETWEEN|INDIRECT|OFFSET)\s*\(/i;

export function createCalculator(needs: CalculatorNeeds) {
  const nodes = new Map<string, Node>();
  const readersOfCell = new Map<string, Set<Node>>();
  const readersOfRange = new Map<number, Map<Node, Region[]>>();
  const volatiles = new Set<Node>();
  const parser = createParser(needs);

  function set(spot: Spot, formula: string | undefined): void {
    const key = keyOf(spot.sheetId, spot.row, spot.column);
    const old = nodes.get(key);
    if (old) forget(key, old);
    if (formula === undefined) return;
    const precedents: Region[] = [];
    for (const reference of referencesIn(formula)) {
      const region = regionOf(reference, spot.sheetId);
      if (region) precedents.push(region);
    }
    const node: Node = { ...spot, text: formula, precedents, volatile: volatileNames.test(formula) };
    nodes.set(key, node);
    if (node.volatile) volatiles.add(node);
    for (const region of precedents) {
      if (region.rows === 1 && region.columns === 1) {
        const cell = keyOf(region.sheetId, region.row, region.column);
        const readers = readersOfCell.get(cell) ?? new Set();
        readersOfCell.set(cell, readers.add(node));
      } else {
        const readers = readersOfRange.get(region.sheetId) ?? new Map<Node, Region[]>();
        readersOfRange.set(region.sheetId, readers);
        readers.set(node, [...(readers.get(node) ?? []), region]);
      }
    }
  }

  function forget(key: string, node: Node): void {
    nodes.delete(key);
    volatiles.delete(node);
    for (const region of node.precedents) {
      readersOfCell.get(keyOf(region.sheetId, region.row, region.column))?.delete(node);
      readersOfRange.get(region.sheetId)?.delete(node);
    }
  }

  function clear(): void {
    nodes.clear();
    readersOfCell.clear();
    readersOfRange.clear();
    volatiles.clear();
  }

  function readersOf(region: Region): Set<Node> {
    const readers = new Set<Node>();
    if (region.rows * region.columns <= 64) {
      for (let row = region.row; row < region.row + region.rows; row++) {
        for (let column = region.column; column < region.column + region.columns; column++) {
          for (const node of readersOfCell.get(keyOf(region.sheetId, row, column)) ?? []) readers.add(node);
        }
      }
    } else {
      for (const node of nodes.values()) if (node.precedents.some((one) => meets(one, region))) readers.add(node);
    }
    for (const [node, regions] of readersOfRange.get(region.sheetId) ?? []) {
      if (regions.some((one) => meets(one, region))) readers.add(node);
    }
    return readers;
  }

  /** Works out what `changed` reaches, and the formulas that stand in it; answers the spots whose value became another. */
  function recalculate(changed: readonly Region[], withVolatile = true): Spot[] {
    if (nodes.size === 0) return [];
    const waitsFor = new Map<Node, number>();
    const feeds = new Map<Node, Set<Node>>();
    const queue: Node[] = [];
    const take = (node: Node): void => {
      if (waitsFor.has(node)) return;
      waitsFor.set(node, 0);
      queue.push(node);
    };
    for (const region of changed) {
      if (region.rows * region.columns <= 64) {
        for (let row = region.row; row < region.row + region.rows; row++) {
          for (let column = region.column; column < region.column + region.columns; column++) {
            const own = nodes.get(keyOf(region.sheetId, row, column));
            if (own) take(own);
          }
        }
      } else {
        for (const node of nodes.values()) {
          if (meets({ ...node, rows: 1, columns: 1 }, region)) take(node);
        }
      }
      for (const node of readersOf(region)) take(node);
    }
    if (withVolatile) for (const node of volatiles) take(node);
    for (let next = 0; next < queue.length; next++) {
      const node = queue[next];
      if (!node) break;
      const readers = readersOf({ sheetId: node.sheetId, row: node.row, column: node.column, rows: 1, columns: 1 });
      feeds.set(node, readers);
      for (const reader of readers) {
        take(reader);
        waitsFor.set(reader, (waitsFor.get(reader) ?? 0) + 1);
      }
    }
    return workOut(queue, waitsFor, feeds);
  }

  function workOut(all: readonly Node[], waitsFor: Map<Node, number>, feeds: Map<Node, Set<Node>>): Spot[] {
    const moved: Spot[] = [];
    const keep = (node: Node, value: Value): void => {
      if (sameValue(needs.valueAt(node.sheetId, node.row, node.column), value)) return;
      needs.store(node, value);
      moved.push({ sheetId: node.sheetId, row: node.row, column: node.column });
    };
    const ready = all.filter((node) => waitsFor.get(node) === 0);
    for (let next = 0; next < ready.length; next++) {
      const node = ready[next];
      if (!node) break;
      waitsFor.delete(node);
      keep(node, parser.evaluate(node));
      for (const reader of feeds.get(node) ?? []) {
        const left = (waitsFor.get(reader) ?? 0) - 1;
        waitsFor.set(reader, left);
        if (left === 0) ready.push(reader);
      }
    }
    // What still waits stands in a circle, or behind one.
    for (const node of waitsFor.keys()) keep(node, { error: "#REF!" });
    return moved;
  }

  function regionOf(reference: Reference, home: number): Region | undefined {
    const sheetId = reference.title === undefined ? home : needs.sheetIdOf(reference.title);
    if (sheetId === undefined) return undefined;
    const { from, to = from } = reference;
    const row = Math.min(from.row ?? 0, to.row ?? Infinity);
    const column = Math.min(from.column ?? 0, to.column ?? Infinity);
    const lastRow = from.row === undefined || to.row === undefined ? Infinity : Math.max(from.row, to.row);
    const lastColumn =
      from.column === undefined || to.column === undefined ? Infinity : Math.max(from.column, to.column);
    return { sheetId, row, column, rows: lastRow - row + 1, columns: lastColumn - column + 1 };
  }

  return {
    set,
    clear,
    recalculate,
    hasFormulas: (): boolean => nodes.size > 0,
    /** Everything, as after a change of structure. */
    recalculateAll: (): Spot[] => {
      const everywhere = [...new Set([...nodes.values()].map((node) => node.sheetId))];
      return recalculate(
        everywhere.map((sheetId) => ({ sheetId, row: 0, column: 0, rows: Infinity, columns: Infinity })),
      );
    },
    /** NOW, RAND and their like, as Google does from time to time without any event. */
    recalculateVolatile: (): Spot[] => recalculate([], true),
  };
}

export type Calculator = ReturnType<typeof createCalculator>;

const keyOf = (sheetId: number, row: number, column: number): string => `${sheetId}:${row}:${column}`;

const meets = (a: Region, b: Region): boolean =>
  a.sheetId === b.sheetId &&
  a.row < b.row + b.rows &&
  b.row < a.row + a.rows &&
  a.column < b.column + b.columns &&
  b.column < a.column + a.columns;

function createParser(needs: CalculatorNeeds) {
  const { FormulaError } = FormulaParser;
  const toParser = (value: Value): unknown => (isError(value) ? new FormulaError(value.error) : value);
  const flat = (args: readonly { value: unknown }[]): unknown[] =>
    args.flatMap(({ value }) => (Array.isArray(value) ? value.flat(3) : [value]));
  /** Numbers as SUM and its kin take them: an error among them is the answer, text and blanks inside ranges are passed over. */
  function numbers(
    args: readonly {
      value: unknown;
      isArray?: boolean;
      omitted?: boolean;
      isRangeRef?: boolean;
      isCellRef?: boolean;
    }[],
  ): number[] {
    const found: number[] = [];
    for (const { value, omitted, isRangeRef, isCellRef } of args) {
      const direct = !isRangeRef && !isCellRef && !Array.isArray(value);
      for (const one of Array.isArray(value) ? value.flat(3) : [value]) {
        if (one instanceof FormulaError) throw one;
        if (typeof one === "number") found.push(one);
        else if (direct && !omitted && typeof one === "boolean") found.push(one ? 1 : 0);
        else if (direct && typeof one === "string" && one !== "") {
          if (!Number.isFinite(Number(one))) throw new FormulaError("#VALUE!");
          found.push(Number(one));
        }
      }
    }
    return found;
  }
  const total = (list: readonly number[]): number => list.reduce((sum, one) => sum + one, 0);
  const results = createResults(needs);
  const parser = new FormulaParser({
    onCell: ({ row, col, sheet = "" }) => {
      const found = results.read({ sheet, row: row - 1, column: col - 1, rows: 1, columns: 1 });
      return found ? toParser(found[0]?.[0] ?? null) : new FormulaError("#REF!");
    },
    onRange: ({ from, to, sheet = "" }) => {
      const [rows, columns] = [to.row - from.row + 1, to.col - from.col + 1];
      const found = results.read({ sheet, row: from.row - 1, column: from.col - 1, rows, columns });
      if (!found) throw new FormulaError("#REF!");
      return found.length === 0 ? [[null]] : found.map((row) => row.map(toParser));
    },
    functions: {
      SUM: (...args) => total(numbers(args)),
      AVERAGE: (...args) => {
        const list = numbers(args);
        if (list.length === 0) throw new FormulaError("#DIV/0!");
        return total(list) / list.length;
      },
      MIN: (...args) => minOf(numbers(args)),
      MAX: (...args) => maxOf(numbers(args)),
      COUNT: (...args) => flat(args).filter((one) => typeof one === "number").length,
      COUNTA: (...args) => flat(args).filter((one) => one !== null && one !== undefined).length,
      NOW: () => needs.nowSerial(),
      TODAY: () => Math.floor(needs.nowSerial()),
      RAND: () => needs.random(),
    },
  });

  function workedOut(text: string, node: Spot): Value {
    try {
      return fromParser(
        parser.parse(text, { row: node.row + 1, col: node.column + 1, sheet: needs.titleOf(node.sheetId) }),
      );
    } catch (error) {
      return errorOf(error);
    }
  }

  function evaluate(node: Spot & { text: string; volatile: boolean }): Value {
    const text = prepared(node.text, node.sheetId, needs);
    // What differs each time, or reads what it does not name, has no result to keep.
    return node.volatile ? workedOut(text, node) : results.of(text, node, () => workedOut(text, node));
  }
  return { evaluate };
}

const minOf = (list: readonly number[]): number => (list.length === 0 ? 0 : list.reduce((a, b) => Math.min(a, b)));
const maxOf = (list: readonly number[]): number => (list.length === 0 ? 0 : list.reduce((a, b) => Math.max(a, b)));

/** What the parser reads: commas between arguments, and closed ranges. */
function prepared(formula: string, sheetId: number, needs: CalculatorNeeds): string {
  const closed = rewrite(formula, (reference) => {
    const { from, to } = reference;
    if (!to) return undefined;
    const target = reference.title === undefined ? sheetId : needs.sheetIdOf(reference.title);
    const used = target === undefined ? { rows: 1, columns: 1 } : needs.usedOf(target);
    const close = (a: number | undefined, b: number | undefined, last: number): readonly [number, number] => {
      const low = a === undefined && b === undefined ? 0 : Math.min(a ?? Infinity, b ?? Infinity);
      const high = a === undefined || b === undefined ? Math.max(low, last) : Math.max(a, b);
      return [low, high];
    };
    const [row, lastRow] = close(from.row, to.row, used.rows - 1);
    const [column, lastColumn] = close(from.column, to.column, used.columns - 1);
    return write(reference, { ...from, row, column }, { ...to, row: lastRow, column: lastColumn });
  });
  const body = closed.slice(1);
  if (!needs.usesSemicolons()) return body;
  return body.replaceAll(/"(?:[^"]|"")*"|'(?:[^']|'')*'|;|(\d),(\d)/g, (piece, a?: string, b?: string) =>
    piece === ";" ? "," : a !== undefined ? `${a}.${b}` : piece,
  );
}

function fromParser(result: unknown): Value {
  if (result === null || result === undefined) return null;
  if (result instanceof FormulaParser.FormulaError) return errorOf(result);
  if (typeof result === "number")
    return Number.isFinite(result) ? (result === 0 ? 0 : result) : ({ error: "#NUM!" } satisfies CellError);
  if (typeof result === "string" || typeof result === "boolean") return result;
  if (Array.isArray(result)) {
    const first: unknown = result[0];
    return fromParser(Array.isArray(first) ? first[0] : first);
  }
  return { error: "#VALUE!" };
}

function errorOf(error: unknown): CellError {
  if (!(error instanceof Error)) return { error: "#ERROR!" };
  if (/is not implemented/.test(error.message)) return { error: "#NAME?" };
  const known = ["#NULL!", "#DIV/0!", "#VALUE!", "#REF!", "#NAME?", "#NUM!", "#N/A"].find((one) => one === error.name);
  return { error: known ?? "#ERROR!" };
}
