import { expect, test } from "vitest";
import { formatInstant, hasInstant, instantOfSerial, isZone, serialOfDate, serialOfInstant } from "./zones.ts";

test("serials and instants are each other's inverse through a year of Berlin", () => {
  for (let day = 0; day < 366; day++) {
    const serial = serialOfDate(2024, 1, 1) + day + 0.5;
    expect(serialOfInstant(instantOfSerial(serial, "Europe/Berlin"), "Europe/Berlin")).toBeCloseTo(serial, 8);
  }
});

test("noon in Berlin is eleven by UTC in winter and ten in summer", () => {
  expect(new Date(instantOfSerial(serialOfDate(2024, 1, 2) + 0.5, "Europe/Berlin")).toISOString()).toBe(
    "2024-01-02T11:00:00.000Z",
  );
  expect(new Date(instantOfSerial(serialOfDate(2024, 7, 2) + 0.5, "Europe/Berlin")).toISOString()).toBe(
    "2024-07-02T10:00:00.000Z",
  );
});

test("an hour that is skipped in spring moves forward", () => {
  const skipped = serialOfDate(2024, 3, 31) + 2.5 / 24;
  expect(new Date(instantOfSerial(skipped, "Europe/Berlin")).toISOString()).toBe("2024-03-31T01:30:00.000Z");
});

test("dates are formatted as SimpleDateFormat does", () => {
  const instant = Date.UTC(2024, 0, 2, 3, 4, 5, 6);
  expect(formatInstant(instant, "Asia/Kolkata", "yyyy-MM-dd'T'HH:mm:ss.SSSXXX")).toBe("2024-01-02T08:34:05.006+05:30");
  expect(formatInstant(instant, "Etc/UTC", "EEE d MMM yy h:mm a Z")).toBe("Tue 2 Jan 24 3:04 AM +0000");
  expect(() => formatInstant(instant, "Etc/UTC", "b")).toThrow("Illegal pattern");
});

test("long ago and far ahead, serials and instants are each other's inverse as well, and years are those of their era", () => {
  for (const serial of [-899_093, -700_000, -693_595, 3_000_000, 5_000_000]) {
    for (const zone of ["Etc/UTC", "Europe/Berlin", "America/New_York", "Asia/Kathmandu"]) {
      expect(serialOfInstant(instantOfSerial(serial, zone), zone)).toBe(serial);
    }
  }
  expect([hasInstant(-99_900_000), hasInstant(99_900_000), hasInstant(1e9)]).toEqual([true, true, false]);
  expect(formatInstant(instantOfSerial(-899_093, "Europe/Berlin"), "Europe/Berlin", "yyyy")).toBe("0563");
  expect(formatInstant(instantOfSerial(3_000_000, "Etc/UTC"), "Etc/UTC", "yyyy")).toBe("10113");
});

test("a zone that is none is known as such", () => {
  expect([isZone("Europe/Berlin"), isZone("Mars/Olympus")]).toEqual([true, false]);
});
