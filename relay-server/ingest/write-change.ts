import type { Change, Post, ReadAt, Row } from "@sheetwire/shared/protocol";
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
  return (content, seq, readAt) => `${beginningOf(content)},"seq":${seq}${end}[${readAt[0]},${readAt[1]}]}`;
}

/** The content's JSON without its last brace. Nearly all changes are of cells, and most of these of one. */
function beginningOf(content: ChangeContent): string {
  if (content.kind !== "cells") return JSON.stringify(content).slice(0, -1);
  const { sheetId, at, cells, was } = content;
  const before = was === undefined ? "" : `,"was":${textOf(was)}`;
  return `{"kind":"cells","sheetId":${sheetId},"at":{"row":${at.row},"column":${at.column}},"cells":${textOf(cells)}${before}`;
}

function textOf(rows: readonly Row[]): string {
  const [first] = rows;
  return rows.length === 1 && first?.length === 1 ? `[[${JSON.stringify(first[0])}]]` : JSON.stringify(rows);
}
