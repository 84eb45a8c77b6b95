/** What a typed text becomes, and how what is held looks. */
import FormulaParser from "fast-formula-parser";
import { errorLiterals, isError, type Cell, type Value } from "../cell/cell.ts";
import { serialOfDate } from "../zones/zones.ts";
import { rulesOf, type LocaleRules } from "./locale.ts";

export { isLocale, rulesOf } from "./locale.ts";

export type Typed = { readonly value: Value; readonly format: string; readonly formula?: string };

/** Reads `text` as the sheet does when a person types it into a cell whose format is `format`. */
export function readTyped(text: string, locale: string, format = ""): Typed {
  if (text === "") return { value: null, format };
  if (format === "@") return { value: text, format };
  if (text.startsWith("'")) return { value: text.slice(1) === "" ? null : text.slice(1), format };
  if (text.length > 1 && text.startsWith("=")) return { value: null, format, formula: text };
  if (/^\+[A-Za-z(]/.test(text)) return { value: null, format, formula: `=${text.slice(1)}` };
  const trimmed = text.trim();
  if (/^(true|false)$/i.test(trimmed)) return { value: trimmed.toLowerCase() === "true", format };
  if (errorLiterals.includes(trimmed.toUpperCase())) return { value: { error: trimmed.toUpperCase() }, format };
  const rules = rulesOf(locale);
  const found = readNumber(trimmed, rules) ?? readDateTime(trimmed, rules);
  if (!found) return { value: text, format };
  // A cell that shows percent takes a bare 5 as five percent.
  if (found.format === "" && /%/.test(format)) return { value: found.value / 100, format };
  return {
    value: found.value,
    format:
      found.format === "" || (format !== "" && isDateFormat(format) === isDateFormat(found.format))
        ? format
        : found.format,
  };
}

/** What a person sees in the cell. */
export function displayOf(cell: Cell, locale: string): string {
  const { value, format } = cell;
  if (value === null) return "";
  if (isError(value)) return value.error;
  if (typeof value === "boolean") return value ? "TRUE" : "FALSE";
  if (typeof value === "string") return value;
  const rules = rulesOf(locale);
  if (format === "" || format === "@") return localised(generalText(value), rules);
  try {
    // SSF takes a bare dot between the parts of a date for a decimal point.
    const readable = isDateFormat(format) ? format.replaceAll(/([dmy])\.(?=[dmy])/gi, '$1"."') : format;
    const shown: string = FormulaParser.SSF.format(readable, value);
    return isDateFormat(format) ? shown : localised(shown, rules);
  } catch {
    // SSF refuses dates before 1900 and formats it cannot read; Google then shows the number.
    return localised(generalText(value), rules);
  }
}

/** Whether numbers in this format are dates, times or durations: `getValues` gives Dates for them. */
export function isDateFormat(format: string): boolean {
  if (format === "" || format === "@") return false;
  return /[ymdhs]/i.test(format.replaceAll(/"[^"]*"|\\.|\[\$[^\]]*\]|General/gi, ""));
}

function generalText(value: number): string {
  const size = Math.abs(value);
  if (size !== 0 && (size >= 1e15 || size < 1e-9)) {
    const [mantissa = "", exponent = "0"] = value.toExponential(2).split("e");
    const power = Number(exponent);
    return `${mantissa}E${power < 0 ? "-" : "+"}${String(Math.abs(power)).padStart(2, "0")}`;
  }
  if (Number.isInteger(value)) return String(value === 0 ? 0 : value);
  // Automatic shows ten significant digits, and never rounds away the integer part.
  const integerDigits = size < 1 ? 0 : Math.floor(Math.log10(size)) + 1;
  return String(Number(value.toFixed(Math.max(0, Math.min(10, 10 - integerDigits)))));
}

function localised(text: string, rules: LocaleRules): string {
  if (rules.decimal === "." && rules.group === ",") return text;
  return text.replaceAll(/[.,]/g, (mark) => (mark === "." ? rules.decimal : rules.group));
}

type Found = { value: number; format: string };

function readNumber(text: string, rules: LocaleRules): Found | undefined {
  const escaped = (mark: string): string => mark.replaceAll(/[.$|?*+()[\]{}\\^]/g, "\\$&");
  const group = rules.group === "\u202f" || rules.group === "\u00a0" ? "[ \u00a0\u202f]" : escaped(rules.group);
  const decimal = escaped(rules.decimal);
  const currency = escaped(rules.currency);
  const digits = `(?:\\d{1,3}(?:${group}\\d{3})+|\\d+)`;
  const pattern = new RegExp(
    `^(\\()?([-+])?(${currency})?\\s?([-+])?(${digits}?)(?:(${decimal})(\\d*))?(?:[eE]([-+]?\\d{1,3}))?\\s?(%|${currency})?(\\))?$`,
  );
  const match = pattern.exec(text);
  if (!match) return undefined;
  const [, open, signA, before, signB, integer = "", mark, fraction = "", exponent, after, close] = match;
  if ((integer === "" && fraction === "") || (signA && signB) || (open === undefined) !== (close === undefined))
    return undefined;
  if (before && after) return undefined;
  const plain = `${integer.replaceAll(/\D/g, "")}${mark ? `.${fraction}` : ""}`;
  let value = Number(`${plain === "" || plain.startsWith(".") ? `0${plain}` : plain}${exponent ? `e${exponent}` : ""}`);
  if (!Number.isFinite(value)) return undefined;
  if (signA === "-" || signB === "-" || open) value = -value;
  const hasDecimals = fraction !== "";
  if (after === "%") {
    // By decimal text, since 12.3 / 100 is not 0.123 for every number.
    return { value: Number(`${value}e-2`), format: hasDecimals ? "0.00%" : "0%" };
  }
  if (before !== undefined || after !== undefined) {
    const sample = hasDecimals ? "#,##0.00" : "#,##0";
    const sign = rules.currency === "$" ? "$" : `"${rules.currency}"`;
    return { value, format: rules.currencyAfter ? `${sample} ${sign}` : `${sign}${sample}` };
  }
  if (exponent !== undefined) return { value, format: "0.00E+00" };
  const grouped = integer !== integer.replaceAll(/\D/g, "");
  return { value: value === 0 ? 0 : value, format: grouped ? (hasDecimals ? "#,##0.00" : "#,##0") : "" };
}

const monthNames = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];

function readDateTime(text: string, rules: LocaleRules): Found | undefined {
  const time = readTime(text, rules);
  if (time) return time;
  const cut = /^(.+?)[ T](\d{1,2}:\d{2}.*)$/.exec(text);
  const date = readDate(cut?.[1] ?? text, rules);
  if (!date) return undefined;
  if (!cut) return date;
  const clock = readTime(cut[2] ?? "", rules);
  if (!clock || clock.value >= 1) return undefined;
  return { value: date.value + clock.value, format: `${date.format} ${rules.timeFormat.replace("hh", "h")}` };
}

function readTime(text: string, rules: LocaleRules): Found | undefined {
  const match = /^(\d{1,4}):([0-5]\d)(?::([0-5]\d)(?:[.,](\d{1,3}))?)?(?:\s?([ap])\.?m\.?)?$/i.exec(text);
  if (!match) return undefined;
  const [, hours = "0", minutes = "0", seconds, thousandths, half] = match;
  let hour = Number(hours);
  if (half) {
    if (hour < 1 || hour > 12) return undefined;
    hour = (hour % 12) + (half.toLowerCase() === "p" ? 12 : 0);
  }
  const milliseconds = thousandths ? Number(thousandths.padEnd(3, "0")) : 0;
  const value = (hour * 3_600_000 + Number(minutes) * 60_000 + Number(seconds ?? 0) * 1000 + milliseconds) / 86_400_000;
  if (hour >= 24) return { value, format: "[h]:mm:ss" };
  return { value, format: half && seconds === undefined ? "h:mm AM/PM" : rules.timeFormat };
}

function readDate(text: string, rules: LocaleRules): Found | undefined {
  const iso = /^(\d{4})([-/.])(\d{1,2})\2(\d{1,2})$/.exec(text);
  if (iso)
    return dated(Number(iso[1]), Number(iso[3]), Number(iso[4]), iso[2] === "-" ? "yyyy-mm-dd" : rules.dateFormat);
  const short = /^(\d{1,2})([-/.])(\d{1,2})\2(\d{4}|\d{2})$/.exec(text);
  if (short) {
    const [, a = "", separator = "", b = "", y = ""] = short;
    // A dot stands between the parts of a date only where the locale writes it so: 1.2.24 may be a version.
    if (separator === "." && rules.dateSeparator !== ".") return undefined;
    const year = y.length === 2 ? Number(y) + (Number(y) < 30 ? 2000 : 1900) : Number(y);
    const dayFirst = rules.dateOrder === "dmy";
    return dated(year, Number(dayFirst ? b : a), Number(dayFirst ? a : b), rules.dateFormat);
  }
  const named = /^([A-Za-z]{3,9})\.? (\d{1,2}),? (\d{4})$/.exec(text) ?? undefined;
  const reversed = /^(\d{1,2})[- ]([A-Za-z]{3,9})\.?[- ](\d{4})$/.exec(text) ?? undefined;
  const name = named?.[1] ?? reversed?.[2];
  if (name === undefined) return undefined;
  const month = monthNames.indexOf(name.slice(0, 3).toLowerCase()) + 1;
  const day = Number(named?.[2] ?? reversed?.[1]);
  if (month === 0) return undefined;
  return dated(Number(named?.[3] ?? reversed?.[3]), month, day, named ? "mmm d, yyyy" : "d-mmm-yyyy");
}

function dated(year: number, month: number, day: number, format: string): Found | undefined {
  if (month < 1 || month > 12 || day < 1 || day > 31 || year < 1) return undefined;
  const value = serialOfDate(year, month, day);
  const back = new Date(Date.UTC(1899, 11, 30) + value * 86_400_000);
  return back.getUTCMonth() + 1 === month && back.getUTCDate() === day ? { value, format } : undefined;
}
