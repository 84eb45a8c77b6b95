/**
 * Who may import whom. `docs/house.md` says it in words; this is what the linter asks of every import (plugin.ts).
 * Paths are relative to the repository's root, with forward slashes.
 */
import { posix } from "node:path";

/** One import as it stands in a file: `relative` and package specifiers alike. */
export type Arrow = { readonly from: string; readonly specifier: string; readonly typeOnly: boolean };

/** Programs that meet each other only in `shared`. */
const programs = ["apps-script", "relay-server", "extension", "fake-google"] as const;

/** Folders that look at several programs at once: journeys, measurements and the tools of the house. */
const onlookers = ["e2e", "bench", "scripts"];

/** The rooms of `shared`: which others each may use, and which packages from outside. */
const sharedRooms: Record<string, { readonly rooms: readonly string[]; readonly packages: readonly string[] }> = {
  limits: { rooms: [], packages: [] },
  retry: { rooms: [], packages: [] },
  protocol: { rooms: ["limits"], packages: ["zod"] },
  signing: { rooms: ["limits"], packages: [] },
  grid: { rooms: ["limits", "protocol"], packages: [] },
  digest: { rooms: ["grid", "protocol"], packages: [] },
  status: { rooms: ["limits", "protocol"], packages: [] },
  ui: { rooms: ["status"], packages: ["preact"] },
};

/** A file that checks promises: beside what it tests, and free to look behind the doors of its own program. */
const isTest = (path: string): boolean => /\.(test|contract|fixture)\.tsx?$/.test(path) || path.includes("/testing/");

/** Says why this import may not stand there, or nothing when it may. */
export function wrongArrow({ from, specifier, typeOnly }: Arrow): string | undefined {
  const home = placeOf(from);
  if (!home || onlookers.includes(home.program)) return undefined;
  const isRelative = specifier.startsWith(".");
  if (!isRelative && !specifier.startsWith("@sheetwire/")) return wrongPackage(from, home, specifier);

  const to = isRelative ? posix.join(posix.dirname(from), specifier) : specifier.slice("@sheetwire/".length);
  const target = placeOf(to);
  if (!target) return to.startsWith("..") ? `${to} lies outside the repository` : undefined;
  if (target.program === "shared") return wrongWayIntoShared({ from, home, target, isRelative, typeOnly });
  if (target.program !== home.program) {
    if (isTest(from) && home.program !== "shared" && (target.program === "fake-google" || /\bbuild\.ts$/.test(to))) {
      return undefined;
    }
    return home.program === "shared"
      ? `shared knows no program: ${target.program} may import shared, never the other way`
      : `programs meet only in shared: ${home.program} may not import ${target.program}`;
  }
  return wrongWithinProgram(from, home, to, target);
}

type Place = { program: string; room: string | undefined };

/** Which program and room a path belongs to; a file beside the rooms (main.ts, config.ts) has no room. */
function placeOf(path: string): Place | undefined {
  const [program = "", ...rest] = path.split("/");
  if (program !== "shared" && !programs.some((one) => one === program) && !onlookers.includes(program))
    return undefined;
  if (program === "extension" && rest[0] === "entrypoints" && rest[1]) {
    return { program, room: `entrypoints/${rest[1].replace(/\.tsx?$/, "")}` };
  }
  const isInRoom = rest.length > 1 || (rest.length === 1 && !/\.\w+$/.test(rest[0] ?? ""));
  return { program, room: isInRoom ? rest[0] : undefined };
}

function wrongWayIntoShared(arrow: {
  from: string;
  home: Place;
  target: Place;
  isRelative: boolean;
  typeOnly: boolean;
}): string | undefined {
  const { from, home, target, isRelative, typeOnly } = arrow;
  const room = target.room ?? "";
  if (home.program === "shared" && home.room === target.room) {
    return isRelative ? undefined : `inside shared/${room} files are named by their path, ./…`;
  }
  if (isRelative) return `shared has doors: import @sheetwire/shared/${room}`;
  if (home.program === "shared") {
    const allowed = sharedRooms[home.room ?? ""]?.rooms.includes(room) ?? false;
    return allowed || isTest(from) ? undefined : `shared/${home.room} may not import shared/${room}`;
  }
  if (isTest(from)) return undefined;
  if (home.program === "fake-google" && !(room === "protocol" && typeOnly)) {
    return "fake-google behaves as Google does: nothing of ours inside but types of the protocol";
  }
  if (home.program === "apps-script" && room === "protocol" && !typeOnly) {
    return "Apps Script takes only types of the protocol, so that its bundle stays small: import type";
  }
  return undefined;
}

function wrongWithinProgram(from: string, home: Place, to: string, target: Place): string | undefined {
  const isChooser = (home.room === undefined && /\/(main|cli)\.ts$/.test(from)) || home.room === "cli" || isTest(from);
  if (/\/engines\//.test(to) && !/\/engines\//.test(from) && !isChooser) {
    return "engines are chosen in main.ts or cli.ts and named nowhere else";
  }
  if (isTest(from)) return undefined;
  if (home.program === "extension" && home.room?.startsWith("entrypoints/") && home.room !== "entrypoints/background") {
    if (target.room === "connection" || target.room === "sync") {
      return `a surface only shows: the background alone uses ${target.room}`;
    }
  }
  if (
    home.program === "extension" &&
    home.room === "connection" &&
    target.room !== undefined &&
    target.room !== "connection"
  ) {
    return "connection knows only shared";
  }
  if (target.room === undefined) {
    return home.room !== undefined && to.endsWith("/main.ts")
      ? "main.ts starts a program: nobody imports it"
      : undefined;
  }
  if (home.room === target.room || /\/engines\//.test(to)) return undefined;
  if (target.room.startsWith("entrypoints/")) return "an entrypoint is started by the browser: nobody imports it";
  const inside = to.slice(`${target.program}/${target.room}/`.length);
  const isDoor = inside === `${target.room}.ts` || inside === `${target.room}.tsx` || /\.(css|json|svg)$/.test(inside);
  return isDoor ? undefined : `${target.room} has one door: import ${target.room}/${target.room}.ts`;
}

function wrongPackage(from: string, home: Place, specifier: string): string | undefined {
  if (isTest(from)) return undefined;
  const isPackage = (name: string): boolean => specifier === name || specifier.startsWith(`${name}/`);
  if (home.program === "shared") {
    if (specifier.startsWith("node:")) return "shared is pure: effects are handed in";
    const allowed = sharedRooms[home.room ?? ""]?.packages.some(isPackage) ?? false;
    return allowed ? undefined : `shared/${home.room} may not import ${specifier}`;
  }
  if (home.program === "extension") {
    if (isPackage("dexie") && home.room !== "schema") return "the schema alone knows Dexie";
    if (isPackage("wxt") && (home.room === "connection" || home.room === "mirror" || home.room === "sync")) {
      return `${home.room} knows no browser extension: what it needs is handed in`;
    }
  }
  return undefined;
}
