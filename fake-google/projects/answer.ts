/** What the services of one run are answered: from the spreadsheet, its stores, its triggers and its open pages. */
import * as z from "zod";
import { answerFetch, replyForAll } from "../answers/answers.ts";
import { actionSchema, cellAt, parseA1, usedOf, type ScriptValue, type Sheet } from "../grid/grid.ts";
import type { Answer } from "../services/services.ts";
import type { Cell, Value } from "../cell/cell.ts";
import { isDateFormat, rulesOf } from "../typing/typing.ts";
import { serialOfInstant } from "../zones/zones.ts";
import type { Execution, Project } from "./projects.ts";

const areaSchema = z.object({
  sheetId: z.number(),
  row: z.int().nonnegative(),
  column: z.int().nonnegative(),
  rows: z.int().positive(),
  columns: z.int().positive(),
});
const whats = ["values", "value", "displays", "display", "formulas", "formula", "formats", "format"] as const;
const readSchema = areaSchema.extend({ what: z.enum(whats) });
const written = z.union([z.boolean(), z.number(), z.string(), z.object({ $d: z.number() })]);
const storeSchema = z.object({ store: z.enum(["script", "document", "user"]) });
const strings = z.record(z.string(), z.string());
const planSchema = z.object({
  handler: z.string(),
  eventType: z.enum(["ON_EDIT", "ON_CHANGE", "ON_OPEN", "ON_FORM_SUBMIT", "CLOCK"]),
  everyMinutes: z.number().optional(),
  afterMs: z.number().optional(),
});
const scopeSchema = z.object({ scope: z.enum(["script", "document", "user"]) });
const sleepSchema = z.number().nonnegative();
const keySchema = z.object({ key: z.string() });
const keysSchema = z.object({ keys: z.array(z.string()) });
const setSchema = z.object({ values: strings, deleteAllOthers: z.boolean().default(false) });
const putSchema = z.object({ values: strings, seconds: z.number() });
const timeoutSchema = z.object({ timeoutMs: z.number() });
const uidSchema = z.object({ uid: z.string() });
const sheetIdSchema = z.object({ sheetId: z.number() });
const appendSchema = z.object({ row: z.int().nonnegative(), values: z.array(written) });
const a1Schema = z.object({ a1: z.string() });
const writeSchema = areaSchema.extend({ values: z.array(z.array(written)) });
const formatSchema = areaSchema.extend({ format: z.string().max(200) });

const say = (value: unknown): Answer => ({ json: JSON.stringify(value ?? null) });

export async function answer(
  project: Project,
  run: Execution,
  op: string,
  args: unknown,
  bytes: Int8Array | undefined,
): Promise<Answer> {
  const { usage } = project;
  const [service = "", what = ""] = op.split(".");
  switch (service) {
    case "spreadsheet":
      if (what === "facts") return remembered(run, op, args, () => say({ ...facts(project) }));
      forget(run);
      return say(null);
    case "sheet":
    case "range": {
      if (isReading(op)) return remembered(run, op, args, () => say(onCells(project, op, args)));
      // What a run writes itself, it reads.
      if (op !== "range.parse") forget(run);
      return say(onCells(project, op, args));
    }
    case "fetch":
      return onFetch(project, run, args, bytes);
    case "time":
      await run.work.aside(() => project.clock.wait(sleepSchema.parse(args), "a script to wake"));
      return say(null);
    case "properties": {
      const { store } = storeSchema.parse(args);
      const properties = project.propertiesOf(store, run.user);
      if (what === "get" || what === "all") usage.propertyReads++;
      else usage.propertyWrites++;
      if (what === "get") return say(properties.get(keySchema.parse(args).key));
      if (what === "all") return say(properties.all());
      if (what === "set") {
        const { values, deleteAllOthers } = setSchema.parse(args);
        return say(properties.set(values, deleteAllOthers));
      }
      return say(what === "delete" ? properties.delete(keySchema.parse(args).key) : properties.deleteAll());
    }
    case "cache": {
      const cache = project.cacheOf(storeSchema.parse(args).store, run.user);
      if (what === "put") {
        const { values, seconds } = putSchema.parse(args);
        return say(cache.put(values, seconds));
      }
      const { keys } = keysSchema.parse(args);
      return say(
        what === "get" ? cache.get(keys[0] ?? "") : what === "getAll" ? cache.getAll(keys) : cache.remove(keys),
      );
    }
    case "lock": {
      const { scope } = scopeSchema.parse(args);
      const lock = project.lockOf(scope, run.user);
      if (what === "has") return say(lock.has(run.id));
      if (what === "release") return say(lock.release(run.id));
      usage.locks++;
      const { timeoutMs } = timeoutSchema.parse(args);
      return say(await run.work.aside(() => lock.take(run.id, timeoutMs)));
    }
    case "triggers":
      return say(onTriggers(project, run, what, args));
    case "ui":
      return say(await run.work.aside(async () => run.ui(what, args)));
    case "log":
      // Google keeps what scripts log; it may hold contents, so here nobody does.
      return say(null);
    default:
      return { json: "null", error: `There is no service ${service}.` };
  }
}

/** A clock that waits for nobody would wait for ever for a relay that waits for the clock. */
const fetchWorksMs = 2000;

async function onFetch(project: Project, run: Execution, args: unknown, bytes: Int8Array | undefined): Promise<Answer> {
  const { fate } = run;
  const send = (): Promise<Answer> => {
    project.usage.fetches++;
    const sent = answerFetch(args, bytes, run.bundle.manifest.urlFetchWhitelist);
    return project.clock.isVirtual() ? workingFor(fetchWorksMs, sent, run) : sent;
  };
  if (!fate) return send();
  if (fate.isFetchQuotaSpent(run.user, project.clock.now()))
    return { json: "null", error: "Service invoked too many times for one day: urlfetch." };
  const { lateMs, end, status } = fate.nextFetch();
  if (lateMs > 0) await run.work.aside(() => project.clock.wait(lateMs, "a post to leave", true));
  if (end === "throws") return replyForAll(args, { error: "Address unavailable" });
  if (end === "fails") return replyForAll(args, { status });
  if (end === "sent") return send();
  await send();
  return replyForAll(args, status === 0 ? { error: "Timeout" } : { status });
}

async function workingFor(ms: number, sent: Promise<Answer>, run: Execution): Promise<Answer> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<undefined>((resolve) => (timer = setTimeout(() => resolve(undefined), ms)));
  const inTime = await Promise.race([sent, late]);
  clearTimeout(timer);
  return inTime ?? run.work.aside(() => sent);
}

export const isReading = (op: string): boolean => ["range.read", "sheet.facts", "spreadsheet.facts"].includes(op);

/** A run whose reads are cached is answered as it was the first time, until it flushes or writes. */
function remembered(run: Execution, op: string, args: unknown, read: () => Answer): Answer {
  if (run.fate?.isCached() !== true) return read();
  const key = `${op} ${JSON.stringify(args)}`;
  const answered = run.remembered.get(key) ?? read();
  run.remembered.set(key, answered);
  return answered;
}

function forget(run: Execution): void {
  run.remembered.clear();
  // Nor does its thread know any longer what it was told.
  run.told = undefined;
}

/** Every answer about the spreadsheet and its sheets, by what is asked. */
export function readFacts(project: Project): Record<string, string> {
  const { sheets } = project.spreadsheet.state;
  const answers: Record<string, string> = { "spreadsheet.facts null": say(facts(project)).json };
  sheets.forEach((sheet, index) => {
    answers[`sheet.facts ${JSON.stringify({ sheetId: sheet.sheetId })}`] = say(sheetFacts(sheet, index)).json;
  });
  return answers;
}

function onTriggers(project: Project, run: Execution, what: string, args: unknown): unknown {
  const described = (one: { uid: string; handler: string; eventType: string }): object => ({
    uid: one.uid,
    handler: one.handler,
    eventType: one.eventType,
    source: one.eventType === "CLOCK" ? "CLOCK" : "SPREADSHEETS",
    sourceId: one.eventType === "CLOCK" ? null : project.spreadsheet.state.id,
  });
  if (what === "list") return project.triggers.ownedBy(run.user).map(described);
  if (what === "delete") {
    if (!project.triggers.remove(uidSchema.parse(args).uid, run.user)) throw new Error("Trigger not found.");
    return null;
  }
  const { afterMs, ...plan } = planSchema.parse(args);
  const at = afterMs === undefined ? undefined : project.clock.now() + afterMs;
  return described(project.triggers.create({ ...plan, at, owner: run.user }));
}

function onCells(project: Project, op: string, args: unknown): unknown {
  const { spreadsheet, usage } = project;
  const { sheetId } = sheetIdSchema.parse(args);
  const sheet = spreadsheet.sheetById(sheetId);
  if (!sheet) throw new Error(`Sheet ${sheetId} not found`);
  switch (op) {
    case "sheet.facts":
      return sheetFacts(sheet, spreadsheet.state.sheets.indexOf(sheet));
    case "sheet.act": {
      const outcome = spreadsheet.act(actionSchema.parse(args));
      if ("refused" in outcome) throw new Error(outcome.refused);
      return null;
    }
    case "sheet.append": {
      const { row, values } = appendSchema.parse(args);
      if (row >= sheet.rowCount) sheet.rowCount = row + 1;
      return write(project, sheet, { row, column: 0 }, [values]);
    }
    case "range.parse": {
      const area = parseA1(a1Schema.parse(args).a1, sheet);
      const fits = area && area.row + area.rows <= sheet.rowCount && area.column + area.columns <= sheet.columnCount;
      return fits ? { sheetId, ...area } : null;
    }
    case "range.write": {
      const { row, column, values } = writeSchema.parse(args);
      return write(project, sheet, { row, column }, values);
    }
    case "range.format": {
      const area = formatSchema.parse(args);
      for (let row = area.row; row < area.row + area.rows; row++) {
        for (let column = area.column; column < area.column + area.columns; column++)
          spreadsheet.put(sheet, row, column, { ...cellAt(sheet, row, column), format: area.format });
      }
      spreadsheet.settle([area]);
      return null;
    }
    default: {
      const area = readSchema.parse(args);
      usage.reads++;
      if (area.row + area.rows > sheet.rowCount || area.column + area.columns > sheet.columnCount) {
        throw new Error("The coordinates of the range are outside the dimensions of the sheet.");
      }
      const read = readerOf(project, area.what);
      const rows: ScriptValue[][] = [];
      for (let row = area.row; row < area.row + area.rows; row++) {
        const line: ScriptValue[] = [];
        for (let column = area.column; column < area.column + area.columns; column++)
          line.push(read(cellAt(sheet, row, column)));
        rows.push(line);
      }
      return rows;
    }
  }
}

/** What a formula shows while Google works it out. */
const loading = "Loading...";

function readerOf(project: Project, what: (typeof whats)[number]): (cell: Cell) => ScriptValue {
  const { spreadsheet, isLoading } = project;
  if (what.startsWith("value")) return (cell) => (isLoading(cell) ? loading : spreadsheet.scriptValue(cell));
  if (what.startsWith("display")) return (cell) => (isLoading(cell) ? loading : spreadsheet.display(cell));
  if (what.startsWith("formula")) return (cell) => cell.formula ?? "";
  return (cell) => (cell.format === "" ? "General" : cell.format);
}

/** A script's own writing: typed as a user would, and no trigger hears of it. */
function write(
  { spreadsheet }: Project,
  sheet: Sheet,
  at: { row: number; column: number },
  values: readonly (readonly z.infer<typeof written>[])[],
): null {
  const { locale, timeZone } = spreadsheet.state;
  values.forEach((line, down) => {
    line.forEach((input, right) => {
      const [row, column] = [at.row + down, at.column + right];
      const { format } = cellAt(sheet, row, column);
      const isDate = typeof input === "object";
      const value: Value = isDate ? serialOfInstant(input.$d, timeZone) : input;
      const dated =
        isDate && !isDateFormat(format)
          ? `${rulesOf(locale).dateFormat}${Number(value) % 1 === 0 ? "" : ` ${rulesOf(locale).timeFormat}`}`
          : format;
      spreadsheet.put(sheet, row, column, spreadsheet.cellFrom(value, dated, false));
    });
  });
  spreadsheet.settle([
    { sheetId: sheet.sheetId, ...at, rows: Math.max(1, values.length), columns: Math.max(1, values[0]?.length ?? 1) },
  ]);
  return null;
}

function facts({ spreadsheet, editUrl }: Project): object {
  const { title, locale, timeZone, sheets } = spreadsheet.state;
  return { title, locale, timeZone, url: editUrl, sheets: sheets.map(sheetFacts) };
}

function sheetFacts(sheet: Sheet, index: number): object {
  const used = usedOf(sheet);
  const { sheetId, title, rowCount, columnCount, frozenRows, frozenColumns, hidden } = sheet;
  return {
    sheetId,
    title,
    index,
    rows: rowCount,
    columns: columnCount,
    frozenRows,
    frozenColumns,
    hidden,
    usedRows: used.rows,
    usedColumns: used.columns,
  };
}
