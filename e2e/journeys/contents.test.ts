/** Whatever people keep in cells: each is in the mirror as it is in the sheet, as value, formula and display. */
import type { Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { mirrorOf, openStage, until, untilEqual, type Browser, type ControlCell, type Stage } from "../stage/stage.ts";

let stage: Stage;
let browser: Browser;

beforeAll(async () => {
  stage = await openStage();
  browser = await stage.browser();
});
afterAll(() => stage.stop());

type Opened = {
  spreadsheetId: string;
  sheetId: number;
  panel: Page;
  act: (...actions: ({ action: string } & Record<string, unknown>)[]) => Promise<void>;
  rows: () => Promise<ControlCell[][]>;
  equal: () => Promise<void>;
};

/** Actions at once: each fires two runs. */
const RUNS = 10;

/** A spreadsheet that is connected and followed in a panel; its first copy has arrived and is equal. */
async function follow(spreadsheet: Record<string, unknown>): Promise<Opened> {
  const { spreadsheetId, sheets } = await stage.control.create(spreadsheet);
  const sheetId = sheets[0]?.sheetId ?? -1;
  await stage.connect(spreadsheetId);
  await stage.pair(browser, spreadsheetId);
  const panel = await browser.open(`sidepanel.html?spreadsheet=${spreadsheetId}`);
  const equal = (): Promise<void> => untilEqual(stage.control, panel, spreadsheetId);
  await equal();
  return {
    spreadsheetId,
    sheetId,
    panel,
    // Not all at once: of more than thirty runs at a time Google starts none.
    async act(...actions) {
      for (let first = 0; first < actions.length; first += RUNS) {
        const some = actions.slice(first, first + RUNS).map((one) => ({ sheetId, ...one }));
        await stage.control.act(spreadsheetId, some);
        await stage.control.idle(spreadsheetId);
      }
    },
    rows: async () => (await stage.control.rows(spreadsheetId, sheetId)).rows,
    equal,
  };
}

/** Texts that programs get wrong. The last two are no Unicode at all: halves of an emoji. */
const texts = [
  "x".repeat(50_000),
  "\u{1F469}\u200D\u{1F469}\u200D\u{1F467} family, \u{1F1E9}\u{1F1EA} flag, e\u0301 = é",
  "שלום עולם, مرحبا, \u202Eright to left\u202C",
  "nul \u0000 in between",
  `controls ${Array.from({ length: 32 }, (_, code) => String.fromCharCode(code)).join("")}\u007F\u0085\u2028\u2029\uFEFF`,
  "first line\nsecond line\r\nthird\ttab",
  'it\'s quoted, "doubly", back\\slash, ${template}, %s',
  "\u{1F600}".repeat(25_000),
  "a half: \uD800",
  "\uDC00 the other half",
];

/** So much of a text as a failed test may print. */
const nameOf = (text: string): string => JSON.stringify(text.slice(0, 12));

test("long, right-to-left, emoji and control characters arrive with the first copy, and again as edits", async () => {
  const { act, rows, equal, panel, spreadsheetId } = await follow({
    title: "Texts",
    sheets: [{ title: "Texts", rows: texts.map((text) => [text, "beside"]) }],
  });
  const held = await rows();
  expect(texts.filter((text, row) => held[row]?.[0] !== text).map(nameOf)).toEqual([]);
  await act({ action: "paste", a1: "C1", values: texts.map((text) => [text]) });
  await equal();
  for (const [index, text] of texts.entries()) await act({ action: "apiWrite", a1: `D${index + 1}`, values: [[text]] });
  await act({ action: "type", a1: "E1", value: "an edit beside them" });
  await equal();
  const mirrored = (await mirrorOf(panel, spreadsheetId))?.sheets[0]?.rows;
  for (const column of [0, 2, 3])
    expect(texts.filter((text, row) => mirrored?.[row]?.[column] !== text).map(nameOf)).toEqual([]);
  await panel.close();
});

test("formulas and texts that look like HTML are shown as text and run nothing", async () => {
  const { act, equal, panel } = await follow({ title: "<b>Title</b>" });
  const nasty = `<img src=x onerror="globalThis.__fired=true">`;
  await act(
    { action: "type", a1: "A1", value: nasty },
    { action: "type", a1: "A2", value: '="<b>x</b>"' },
    { action: "type", a1: "A3", value: "<script>globalThis.__fired=true</script>" },
    { action: "type", a1: "A4", value: '=HYPERLINK("javascript:globalThis.__fired=true","<i>link</i>")' },
    { action: "renameSheet", title: nasty },
  );
  await equal();
  await panel.getByText(nasty, { exact: true }).first().waitFor();
  await panel.getByRole("tab", { name: "Sheet" }).click();
  const cells = panel.getByRole("gridcell");
  await cells.getByText(nasty, { exact: true }).waitFor();
  await cells.getByText("<b>x</b>", { exact: true }).waitFor();
  await panel.getByRole("button", { name: nasty }).waitFor();
  expect(await panel.locator("img, b, i, script:not([src])").count()).toBe(0);
  expect(await panel.evaluate(() => "__fired" in globalThis)).toBe(false);
  await panel.close();
});

test("German dates, times and numbers arrive as serial numbers with what the sheet shows, also around the switches of the clock", async () => {
  const { act, rows, equal, panel, spreadsheetId } = await follow({
    title: "Sommerzeit",
    locale: "de_DE",
    timeZone: "Europe/Berlin",
  });
  const typed = [
    "28.03.2026",
    "29.03.2026",
    "29.03.2026 01:59:59",
    "29.03.2026 03:00:00",
    "24.10.2026 23:59:59",
    "25.10.2026 02:30:00",
    "25.10.2026 03:00:00",
    "01.01.1900",
    "31.12.9999",
    "02:30:00",
    "1,5",
    "1.234,56 €",
    "12,5%",
    "=DATE(2026;3;29)+0,5",
    "=1,5+1",
    "=DATE(2026;10;26)-DATE(2026;10;25)",
  ];
  await act(...typed.map((value, index) => ({ action: "type", a1: `A${index + 1}`, value })));
  await equal();
  const cells = (await rows()).map(([cell]) => cell);
  expect(cells[1]).toMatchObject({ v: 46_110, d: "29.03.2026" });
  expect(cells[10]).toMatchObject({ v: 1.5, d: "1,5" });
  expect(cells[11]).toMatchObject({ v: 1234.56, d: "1.234,56 €" });
  // A whole day, though the clock gave it 25 hours.
  expect(cells[15]).toMatchObject({ v: 1 });
  // That night has no half past two. The sheet shows one; a script is handed the instant, which is an hour later.
  await act(
    { action: "type", a1: "C1", value: "29.03.2026 02:30:00" },
    { action: "type", a1: "C2", value: "after it" },
  );
  await until("the cell after it", async () => (await mirrorOf(panel, spreadsheetId))?.sheets[0]?.rows[1]?.[2]);
  expect((await mirrorOf(panel, spreadsheetId))?.sheets[0]?.rows[0]?.[2]).toEqual({
    v: 46_110 + 3.5 / 24,
    d: "29.03.2026 2:30:00",
  });
  await act({ action: "clear", a1: "C1" });
  await equal();
  await act({ action: "setTimeZone", timeZone: "America/New_York" }, { action: "type", a1: "B1", value: "30.03.2026" });
  await equal();
  await panel.close();
});

test("booleans, errors, percentages and currencies arrive as what they are", async () => {
  const { act, rows, equal, panel } = await follow({ title: "Kinds" });
  const typed = [
    "TRUE",
    "false",
    "=1/0",
    "=NA()",
    "=A1:A2 + nonsense",
    "=NOPE(1)",
    "12.5%",
    "$1,234.56",
    "1e300",
    "-0",
    "0.1",
    "=0.1+0.2",
    "12345678901234567890",
    "'007",
    "'=not a formula",
    "'TRUE",
    "=B99",
    '=""',
    "=1=1",
  ];
  await act(...typed.map((value, index) => ({ action: "type", a1: `A${index + 1}`, value })));
  await equal();
  await act({ action: "type", a1: "C1", value: "=D1*2" }, { action: "deleteColumns", column: 3 });
  await equal();
  const sheet = await rows();
  expect(sheet[0]?.[0]).toBe(true);
  expect(sheet[2]?.[0]).toMatchObject({ v: null, e: "#DIV/0!" });
  expect(sheet[3]?.[0]).toMatchObject({ v: null, e: "#N/A" });
  expect(sheet[0]?.[2]).toMatchObject({ v: null, e: "#REF!" });
  expect(sheet[6]?.[0]).toMatchObject({ v: 0.125, d: "12.50%" });
  expect(sheet[13]?.[0]).toBe("007");
  await act(
    { action: "format", a1: "A11", numberFormat: "0.00%" },
    { action: "format", a1: "A12", numberFormat: "#,##0.00" },
  );
  await act({ action: "type", a1: "B1", value: "after the formats" });
  await equal();
  await panel.close();
});

test("an empty sheet is a whole copy, and so is one that becomes empty", async () => {
  const { act, equal, panel, spreadsheetId } = await follow({
    title: "Nothing",
    sheets: [{ title: "Nothing", rows: [] }],
  });
  await panel
    .getByText(/Up to date/)
    .first()
    .waitFor();
  await act({
    action: "paste",
    a1: "B2",
    values: [
      ["one", "two"],
      ["three", null],
    ],
  });
  await equal();
  await act({ action: "clear", a1: "A1:Z1000" });
  await equal();
  expect((await mirrorOf(panel, spreadsheetId))?.sheets[0]?.rows.flat()).toEqual([]);
  await panel.close();
});

test("a single row with all the columns that Google has arrives", async () => {
  const { act, equal, panel, spreadsheetId } = await follow({ title: "Wide" });
  await act({ action: "deleteRows", row: 1, count: 999 });
  await act({ action: "insertColumns", column: 26, count: 18_278 - 26 });
  await act({ action: "paste", a1: "A1", values: [Array.from({ length: 18_278 }, (_, column) => `c${column}`)] });
  await equal();
  await act({ action: "type", a1: "ZZZ1", value: "the last cell" });
  await equal();
  const row = (await mirrorOf(panel, spreadsheetId))?.sheets[0]?.rows[0];
  expect([row?.length, row?.at(-1)]).toEqual([18_278, "the last cell"]);
  await panel.close();
});

test("last rows that are blank, or become blank, are blank in the copy", async () => {
  const { act, equal, panel, spreadsheetId } = await follow({
    title: "Blank end",
    sheets: [{ title: "Blank end", rows: [["head"], [1], [2], [null], [""], [3], [null], [null]] }],
  });
  await act({ action: "clear", a1: "A6" });
  await equal();
  await act({ action: "insertRows", row: 1_000, count: 50 });
  await act({ action: "type", a1: "A1050", value: "the very last" });
  await equal();
  await act({ action: "clear", a1: "A1050" });
  await equal();
  const sheet = (await mirrorOf(panel, spreadsheetId))?.sheets[0];
  expect(sheet?.rows.slice(3).flat()).toEqual([]);
  expect(sheet?.rows.length).toBe(1_050);
  await panel.close();
});
