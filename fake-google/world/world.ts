/** All of this Google: its spreadsheets, its people, its clock, and how faithfully it behaves. */
import { randomBytes } from "node:crypto";
import * as z from "zod";
import { createClock, type Clock } from "../clock/clock.ts";
import { createHostility, type Faults, type Hostility } from "../hostile/hostile.ts";
import { readBundle, type Bundle } from "../bundle/bundle.ts";
import { parseCsv, readDataset, type Dataset } from "../data/data.ts";
import { maxCellChars, maxCells, maxColumns, type Loaded } from "../grid/grid.ts";
import { createLedger, createProject, noUsage, type Project, type Usage } from "../projects/projects.ts";
import { createRuns } from "../runs/runs.ts";
import { servicesCode } from "../services/services.ts";
import { profileNamed, type Profile } from "../triggers/triggers.ts";
import { isLocale } from "../typing/typing.ts";
import { isZone } from "../zones/zones.ts";

/** A cell as it may be handed over. By hand, since a schema for each of a million cells would take seconds. */
function isLoaded(input: unknown): input is Loaded {
  if (isValue(input)) return true;
  if (typeof input !== "object" || input === null) return false;
  const { v = null, f, d, e, ...others } = input as Record<string, unknown>;
  const isText = (one: unknown): boolean =>
    one === undefined || (typeof one === "string" && one.length <= maxCellChars);
  return (
    isValue(v) &&
    isText(f) &&
    isText(d) &&
    isText(e) &&
    (typeof f !== "string" || f.startsWith("=")) &&
    Object.keys(others).length === 0
  );
}

const isValue = (input: unknown): boolean =>
  input === null ||
  typeof input === "number" ||
  typeof input === "boolean" ||
  (typeof input === "string" && input.length <= maxCellChars);

const isRows = (input: unknown): boolean =>
  Array.isArray(input) &&
  input.length <= 2_000_000 &&
  input.every((row) => Array.isArray(row) && row.length <= maxColumns && row.every(isLoaded));

const sheetTitle = z.string().min(1).max(100);
const sheetSchema = z.union([
  z.strictObject({
    title: sheetTitle,
    rows: z.custom<Loaded[][]>(isRows, "Rows are lists of cells: null, boolean, number, text or {v, f}."),
  }),
  z.strictObject({ title: sheetTitle, csv: z.string() }),
]);

export const newSpreadsheetSchema = z.strictObject({
  title: z.string().min(1).max(500),
  locale: z.string().refine(isLocale, "A locale is written like en_US.").default("en_US"),
  timeZone: z.string().refine(isZone, "That time zone is not known.").default("Etc/UTC"),
  owner: z.email().default("ada@example.com"),
  sheets: z
    .array(sheetSchema)
    .min(1)
    .max(200)
    .refine(
      (sheets) => new Set(sheets.map((sheet) => sheet.title.toLowerCase())).size === sheets.length,
      "Two sheets have the same title.",
    )
    .default([{ title: "Sheet1", rows: [] }]),
});
export type NewSpreadsheet = z.input<typeof newSpreadsheetSchema>;

export type WorldOptions = {
  readonly bundleDir: string;
  readonly profile: string;
  /** Of the profile `hostile`; without one it is drawn. */
  readonly seed?: number | undefined;
  /** Threads kept ready for runs. */
  readonly warm: number;
  readonly now: () => number;
  readonly random: () => number;
  /** Told of each moment that a shared virtual time comes to, and of its end. */
  readonly onShared?: ((now: number | undefined) => void) | undefined;
};

export async function createWorld(options: WorldOptions, urls: { sheetsUrl: () => string }) {
  const projects = new Map<string, Project>();
  const runs = createRuns({ services: await servicesCode(), warm: options.warm });
  const clock: Clock = createClock({
    realNow: options.now,
    nextTickAt: () => {
      const due = [...projects.values()].flatMap((project) => project.triggers.nextTickAt() ?? []);
      return due.length === 0 ? undefined : Math.min(...due);
    },
    tick: () => {
      for (const project of projects.values()) project.triggers.tick();
    },
    ...(options.onShared ? { onShared: options.onShared } : {}),
  });
  const ledger = createLedger(clock.now);
  let profile = profileNamed("normal");
  let hostility: Hostility | undefined;

  /** Changes how Google behaves from now on; what the behaviour before held up is let go. False where there is none of that name. */
  function setProfile(name: string, seed?: number, faults?: Faults): boolean {
    const found = profileNamed(name);
    if (!found) return false;
    endFaults();
    ledger.startDay();
    profile = found;
    if (name === "hostile")
      hostility = createHostility(seed ?? Math.floor(options.random() * 2 ** 31), faults ?? {}, clock.now());
    return true;
  }

  /** A bad day is over: nothing strikes any more, what it held up goes on, allowances are there again. */
  function endFaults(): void {
    hostility?.end();
    for (const project of projects.values()) project.showResults();
    clock.letGo();
  }

  function create(input: NewSpreadsheet, typed = false): Project {
    const { title, locale, timeZone, owner, sheets } = newSpreadsheetSchema.parse(input);
    // Google's ids: 44 characters that begin with a 1.
    const id = `1${randomBytes(33).toString("base64url").slice(0, 43)}`;
    const project = createProject(
      { id, title, locale, timeZone, owner },
      {
        runs,
        clock,
        hostility: () => (hostility?.isOver() === false ? hostility : undefined),
        random: options.random,
        profile: currentProfile,
        ledger,
        editUrlOf: (spreadsheetId) => `${urls.sheetsUrl()}/spreadsheets/d/${spreadsheetId}/edit`,
        webAppUrlOf: (deploymentId) => `${urls.sheetsUrl()}/macros/s/${deploymentId}/exec`,
      },
    );
    const { spreadsheet } = project;
    for (const sheet of sheets) {
      const isTyped = typed || "csv" in sheet;
      const rows: readonly (readonly Loaded[])[] = "csv" in sheet ? parseCsv(sheet.csv) : sheet.rows;
      const width = rows.reduce((most, row) => Math.max(most, row.length), 0);
      if (width > maxColumns || Math.max(1000, rows.length) * Math.max(26, width) > maxCells)
        throw new Error("That is more than a spreadsheet can hold.");
      const made = spreadsheet.addSheet(sheet.title, Math.max(1000, rows.length), Math.max(26, width));
      if (!isTyped) spreadsheet.load(made, rows);
      else {
        rows.forEach((line, row) =>
          line.forEach((one, column) => {
            if (one !== null && one !== "" && typeof one !== "object")
              spreadsheet.put(made, row, column, spreadsheet.cellFrom(one, "", false));
          }),
        );
      }
    }
    // Formulas may name sheets that came after theirs.
    spreadsheet.rebuild({ kind: "sheets" });
    projects.set(id, project);
    return project;
  }

  function currentProfile(): Profile {
    if (!profile) throw new Error("There is no behaviour profile.");
    return profile;
  }

  if (!setProfile(options.profile, options.seed)) {
    clock.stop();
    await runs.stop();
    throw new Error(`There is no behaviour profile ${options.profile}.`);
  }

  return {
    projects,
    clock,
    create,
    async createFromDataset(dataset: Dataset): Promise<Project> {
      const { title, rows } = await readDataset(dataset);
      return create({ title, sheets: [{ title, rows }] }, true);
    },
    /** Deletes the spreadsheet with its script: nothing fires any more, and nobody finds it. */
    remove(id: string): boolean {
      projects.get(id)?.stop();
      return projects.delete(id);
    },
    project: (id: string): Project | undefined => projects.get(id),
    /** Reads the built script from disk, as `clasp push` would send it now. */
    readBundle: (): Promise<Bundle> => readBundle(options.bundleDir),
    profile: currentProfile,
    setProfile,
    endFaults,
    /** The bad day of the profile `hostile`, also when it is over. */
    hostility: (): Hostility | undefined => hostility,
    /** What is known of the clock, and when the day's allowances are there again on a bad day. */
    describeClock: (): object => ({
      ...clock.describe(),
      midnightInMs: hostility?.isOver() === false ? Math.round(hostility.untilMidnightMs(clock.now())) : null,
    }),
    usage(): { installations: Record<string, Usage>; total: Usage } {
      const total = noUsage();
      const installations: Record<string, Usage> = {};
      for (const [id, { usage }] of projects) {
        installations[id] = { ...usage };
        for (const key of Object.keys(total) as (keyof Usage)[]) total[key] += usage[key];
      }
      return { installations, total };
    },
    resetUsage(): void {
      for (const { usage } of projects.values()) Object.assign(usage, noUsage());
    },
    async stop(): Promise<void> {
      hostility?.end();
      clock.stop();
      for (const project of projects.values()) {
        project.gates.openAll();
        project.stop();
      }
      await runs.stop();
    },
  };
}

export type World = Awaited<ReturnType<typeof createWorld>>;
