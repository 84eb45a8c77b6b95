import { snapshotRowsSchema } from "@sheetwire/shared/protocol";

/** A line of rows the way the relay writes it, of one that says so in another way; undefined where it is none. */
export function rewritten(line: unknown): Uint8Array | undefined {
  const { data } = snapshotRowsSchema.safeParse(line);
  return data && new TextEncoder().encode(JSON.stringify(data));
}
