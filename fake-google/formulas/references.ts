/** The references in a formula's text: where they stand, what they name, and how they move with rows and columns. */

/** An end left out (`A2:A`, `3:5`) is Infinity, a start left out 0; `$` marks what a copy must not shift. */
export type Reference = {
  readonly start: number;
  readonly end: number;
  /** Undefined is the formula's own sheet. */
  readonly title: string | undefined;
  /** As written, with its `!`. */
  readonly prefix: string;
  readonly from: Corner;
  /** Undefined for a single cell. */
  readonly to: Corner | undefined;
};
export type Corner = {
  /** From 0; undefined where the text names none. */
  readonly row: number | undefined;
  readonly column: number | undefined;
  readonly rowFixed: boolean;
  readonly columnFixed: boolean;
};

const token =
  /"(?:[^"]|"")*"|((?:'(?:[^']|'')+'|[A-Za-z_\u0080-\uffff][\w.\u0080-\uffff]*)!)?(\$?[A-Za-z]{1,3}\$?\d{1,7}|\$?[A-Za-z]{1,3}(?=:\$?[A-Za-z])|\$?\d{1,7}(?=:\$?\d))(?::(\$?[A-Za-z]{1,3}\$?\d{1,7}|\$?[A-Za-z]{1,3}|\$?\d{1,7}))?(?![\w.(!])|#(?:REF!|DIV\/0!|VALUE!|NAME\?|N\/A|NUM!|NULL!)|[A-Za-z_\u0080-\uffff][\w.\u0080-\uffff]*|'(?:[^']|'')+'!?|\d+(?:\.\d+)?/g;

export function referencesIn(formula: string): Reference[] {
  const found: Reference[] = [];
  for (const match of formula.matchAll(token)) {
    const [text, prefix = "", a, b] = match;
    if (a === undefined) continue;
    const from = cornerOf(a);
    const to = b === undefined ? undefined : cornerOf(b);
    if (!to && (from.row === undefined || from.column === undefined)) continue;
    // `A:3` and `1:C` name nothing.
    if (
      to &&
      ((from.row === undefined && to.column === undefined) || (from.column === undefined && to.row === undefined))
    )
      continue;
    found.push({ start: match.index, end: match.index + text.length, title: titleOf(prefix), prefix, from, to });
  }
  return found;
}

/** Rewrites each reference; `change` gives its new text, or undefined to leave it. */
export function rewrite(formula: string, change: (reference: Reference) => string | undefined): string {
  let text = "";
  let at = 0;
  for (const reference of referencesIn(formula)) {
    const replacement = change(reference);
    if (replacement === undefined) continue;
    text += formula.slice(at, reference.start) + replacement;
    at = reference.end;
  }
  return at === 0 ? formula : text + formula.slice(at);
}

/** A copy of the formula so many rows and columns further: what is not fixed by `$` moves along. */
export function shifted(formula: string, rows: number, columns: number): string {
  if (rows === 0 && columns === 0) return formula;
  return rewrite(formula, (reference) => {
    const move = (corner: Corner): Corner | undefined => {
      const row = corner.row === undefined || corner.rowFixed ? corner.row : corner.row + rows;
      const column = corner.column === undefined || corner.columnFixed ? corner.column : corner.column + columns;
      return (row ?? 0) < 0 || (column ?? 0) < 0 ? undefined : { ...corner, row, column };
    };
    const from = move(reference.from);
    const to = reference.to && move(reference.to);
    return !from || (reference.to && !to) ? "#REF!" : write(reference, from, to);
  });
}

/** Where a stretch of rows or columns [from, to] is after a change of structure; undefined when all of it is gone. */
export type Mapping = (from: number, to: number) => readonly [number, number] | undefined;

/** The formula after rows or columns of the sheets that `concerns` names have moved. */
export function remapped(
  formula: string,
  axis: "row" | "column",
  mapping: Mapping,
  concerns: (title: string | undefined) => boolean,
): string {
  return rewrite(formula, (reference) => {
    if (!concerns(reference.title)) return undefined;
    const a = reference.from[axis];
    const b = reference.to ? reference.to[axis] : a;
    if (a === undefined && b === undefined) return undefined;
    const first = a ?? 0;
    const last = b ?? Infinity;
    const moved = mapping(Math.min(first, last), Math.max(first, last));
    if (!moved) return "#REF!";
    const from = { ...reference.from, [axis]: a === undefined ? undefined : moved[0] };
    const to = reference.to && { ...reference.to, [axis]: b === undefined ? undefined : moved[1] };
    return write(reference, from, to);
  });
}

export function retitled(formula: string, oldTitle: string, newTitle: string | undefined): string {
  return rewrite(formula, (reference) => {
    if (reference.title?.toLowerCase() !== oldTitle.toLowerCase()) return undefined;
    return newTitle === undefined
      ? "#REF!"
      : write({ ...reference, prefix: `${quotedTitle(newTitle)}!` }, reference.from, reference.to);
  });
}

/** The references for which `how` answers, so many rows and columns further, fixed or not. */
export function movedReferences(
  formula: string,
  how: (reference: Reference) => { down: number; right: number } | undefined,
): string {
  return rewrite(formula, (reference) => {
    const by = how(reference);
    if (!by) return undefined;
    const move = (corner: Corner): Corner => ({
      ...corner,
      row: (corner.row ?? 0) + by.down,
      column: (corner.column ?? 0) + by.right,
    });
    return write(reference, move(reference.from), reference.to && move(reference.to));
  });
}

const quotedTitle = (title: string): string =>
  /^[A-Za-z_]\w*$/.test(title) && !/^[A-Za-z]{1,3}\d+$/.test(title) ? title : `'${title.replaceAll("'", "''")}'`;

export function write(reference: Reference, from: Corner, to: Corner | undefined): string {
  return `${reference.prefix}${cornerText(from)}${to ? `:${cornerText(to)}` : ""}`;
}

function cornerText(corner: Corner): string {
  const column = corner.column === undefined ? "" : `${corner.columnFixed ? "$" : ""}${columnName(corner.column)}`;
  const row =
    corner.row === undefined || corner.row === Infinity ? "" : `${corner.rowFixed ? "$" : ""}${corner.row + 1}`;
  return column + row;
}

function cornerOf(text: string): Corner {
  const match = /^(\$)?([A-Za-z]+)?(\$)?(\d+)?$/.exec(text);
  const letters = match?.[2];
  const digits = match?.[4];
  return {
    row: digits === undefined ? undefined : Number(digits) - 1,
    column: letters === undefined ? undefined : columnIndex(letters),
    // In `$3` the first mark belongs to the row.
    rowFixed: match?.[3] !== undefined || (letters === undefined && match?.[1] !== undefined),
    columnFixed: letters !== undefined && match?.[1] !== undefined,
  };
}

function titleOf(prefix: string): string | undefined {
  if (prefix === "") return undefined;
  const name = prefix.slice(0, -1);
  return name.startsWith("'") ? name.slice(1, -1).replaceAll("''", "'") : name;
}

function columnName(column: number): string {
  let name = "";
  for (let left = column + 1; left > 0; left = Math.floor((left - 1) / 26)) {
    name = String.fromCodePoint(65 + ((left - 1) % 26)) + name;
  }
  return name;
}

export function columnIndex(name: string): number {
  let index = 0;
  for (const letter of name.toUpperCase()) index = index * 26 + (letter.codePointAt(0) ?? 65) - 64;
  return index - 1;
}
