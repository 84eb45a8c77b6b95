/** What a spreadsheet's locale decides of typing and showing. */
export type LocaleRules = {
  readonly decimal: "." | ",";
  readonly group: string;
  readonly dateOrder: "mdy" | "dmy" | "ymd";
  readonly dateSeparator: string;
  /** The format a typed date takes. */
  readonly dateFormat: string;
  readonly timeFormat: string;
  readonly currency: string;
  readonly currencyAfter: boolean;
  /** Between the arguments of a formula. */
  readonly argument: "," | ";";
};

const us: LocaleRules = {
  decimal: ".",
  group: ",",
  dateOrder: "mdy",
  dateSeparator: "/",
  dateFormat: "m/d/yyyy",
  timeFormat: "h:mm:ss AM/PM",
  currency: "$",
  currencyAfter: false,
  argument: ",",
};
const european = {
  decimal: ",",
  group: ".",
  dateOrder: "dmy",
  currency: "€",
  currencyAfter: true,
  argument: ";",
} as const;
const clock24 = { timeFormat: "hh:mm:ss" } as const;

const known: Record<string, LocaleRules> = {
  en_US: us,
  en_CA: { ...us, dateOrder: "ymd", dateSeparator: "-", dateFormat: "yyyy-mm-dd" },
  en_GB: { ...us, ...clock24, dateOrder: "dmy", dateFormat: "dd/mm/yyyy", currency: "£" },
  de_DE: { ...us, ...european, ...clock24, dateSeparator: ".", dateFormat: "dd.mm.yyyy" },
  fr_FR: { ...us, ...european, ...clock24, group: "\u202f", dateFormat: "dd/mm/yyyy" },
  es_ES: { ...us, ...european, ...clock24, dateFormat: "dd/mm/yyyy" },
  it_IT: { ...us, ...european, ...clock24, dateFormat: "dd/mm/yyyy" },
  nl_NL: { ...us, ...european, ...clock24, dateSeparator: "-", dateFormat: "d-m-yyyy" },
  pt_BR: { ...us, ...european, ...clock24, currency: "R$", currencyAfter: false, dateFormat: "dd/mm/yyyy" },
  pl_PL: {
    ...us,
    ...european,
    ...clock24,
    group: "\u00a0",
    currency: "zł",
    dateSeparator: ".",
    dateFormat: "dd.mm.yyyy",
  },
  sv_SE: {
    ...us,
    ...european,
    ...clock24,
    group: "\u00a0",
    currency: "kr",
    dateOrder: "ymd",
    dateSeparator: "-",
    dateFormat: "yyyy-mm-dd",
  },
  ja_JP: { ...us, ...clock24, currency: "¥", dateOrder: "ymd", dateFormat: "yyyy/mm/dd" },
};

export const isLocale = (locale: string): boolean => /^[a-z]{2,3}(_[A-Z]{2})?$/.test(locale);

/** The rules of a locale; of one that is not in the table, those of its language, else of the United States. */
export function rulesOf(locale: string): LocaleRules {
  const exact = known[locale];
  if (exact) return exact;
  const language = locale.slice(0, locale.indexOf("_") < 0 ? locale.length : locale.indexOf("_"));
  if (language === "en") return us;
  return Object.entries(known).find(([name]) => name.startsWith(`${language}_`))?.[1] ?? us;
}
