import type { Change } from "@sheetwire/shared/protocol";

/** What a change says of a sheet, without its place in the log. */
export type ChangeContent = Change extends infer C
  ? C extends Change
    ? Omit<C, "seq" | "loggedAt" | "cause" | "actor" | "readAt">
    : never
  : never;
export type ContentOf<K extends ChangeContent["kind"]> = Extract<ChangeContent, { kind: K }>;
