import type { Change, Post, ReadAt } from "@sheetwire/shared/protocol";
import type { ChangeContent } from "../sheets/sheets.ts";

/**
 * Writes the changes of one post as JSON. What they have in common is put into words once: most posts bring several, and
 * a JSON text is most of what a change costs.
 */
export function changeWriter(
  { cause, actor }: Pick<Post, "cause" | "actor">,
  loggedAt: number,
): (content: ChangeContent, seq: number, readAt: ReadAt) => string {
  const common = { loggedAt, cause, actor } satisfies Partial<Change>;
  const end = `,${JSON.stringify(common).slice(1, -1)},"readAt":`;
  return (content, seq, readAt) =>
    `${JSON.stringify(content).slice(0, -1)},"seq":${seq}${end}${JSON.stringify(readAt)}}`;
}
