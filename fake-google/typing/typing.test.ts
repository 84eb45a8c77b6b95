import { expect, test } from "vitest";
import { displayOf, readTyped } from "./typing.ts";

const shown = (text: string, locale = "en_US"): string => displayOf(readTyped(text, locale), locale);
const held = (text: string, locale = "en_US", format = "") => readTyped(text, locale, format);

test.each([
  ["12", 12],
  ["-1.5", -1.5],
  ["1,234.5", 1234.5],
  ["50%", 0.5],
  ["12.3%", 0.123],
  ["$5", 5],
  ["(5)", -5],
  ["1e3", 1000],
  [".5", 0.5],
  ["TRUE", true],
  ["false", false],
  ["'12", "12"],
  ["12a", "12a"],
  ["1/2/2024", 45293],
  ["2024-01-02", 45293],
  ["Jan 2, 2024", 45293],
  ["12:00", 0.5],
  ["1/2/2024 12:00", 45293.5],
  ["2/30/2024", "2/30/2024"],
  ["99/99/2024", "99/99/2024"],
  ["1.2.2024", "1.2.2024"],
  ["--5", "--5"],
  ["1,23,4", "1,23,4"],
  ["", null],
])("typing %j holds %j", (text, value) => {
  expect(held(text).value).toEqual(value);
});

test("a comma parts decimals where the locale writes it so", () => {
  expect(held("1.234,5", "de_DE").value).toBe(1234.5);
  expect(shown("1.234,5", "de_DE")).toBe("1.234,50");
  expect(held("2.1.2024", "de_DE").value).toBe(45293);
  expect(shown("2.1.2024", "de_DE")).toBe("02.01.2024");
  expect(shown("1,5", "de_DE")).toBe("1,5");
});

test("day comes first where the locale writes it so", () => {
  expect(held("2/1/2024", "en_GB").value).toBe(45293);
});

test("plain text stays text whatever is typed", () => {
  expect(held("12", "en_US", "@").value).toBe("12");
  expect(held("=1+1", "en_US", "@")).toEqual({ value: "=1+1", format: "@" });
});

test("what begins with an equals sign is a formula, an error literal an error", () => {
  expect(held("=A1+1").formula).toBe("=A1+1");
  expect(held("+A1").formula).toBe("=A1");
  expect(held("#N/A").value).toEqual({ error: "#N/A" });
});

test("a bare number in a percent cell is percent", () => {
  expect(held("5", "en_US", "0%").value).toBe(0.05);
});

test.each([
  ["1/2/2024", "1/2/2024"],
  ["2024-01-02", "2024-01-02"],
  ["50%", "50%"],
  ["$1,234.50", "$1,234.50"],
  ["0.30000000000000004", "0.3"],
  ["12345678901234567890", "1.23E+19"],
])("%j looks like %j", (text, display) => {
  expect(shown(text)).toBe(display);
});
