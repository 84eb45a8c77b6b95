/** The linter's side of the house rules: hands every import of every file to {@link wrongArrow}. */
import { relative, resolve, sep } from "node:path";
import { wrongArrow } from "./house.ts";

const root = resolve(import.meta.dirname, "..", "..");

/** As much of the linter's syntax tree as is looked at here. */
type Node = {
  type: string;
  source?: { type: string; value?: unknown } | null;
  importKind?: string;
  exportKind?: string;
  specifiers?: readonly { importKind?: string; exportKind?: string }[];
};
type Context = { filename: string; report(problem: { node: Node; message: string }): void };

function judge(context: Context, node: Node): void {
  const specifier = node.source?.value;
  if (typeof specifier !== "string") return;
  const specifiers = node.specifiers ?? [];
  const typeOnly =
    node.importKind === "type" ||
    node.exportKind === "type" ||
    (specifiers.length > 0 && specifiers.every((one) => one.importKind === "type" || one.exportKind === "type"));
  const from = relative(root, context.filename).split(sep).join("/");
  const reason = wrongArrow({ from, specifier, typeOnly });
  if (reason) context.report({ node, message: `${reason} (docs/house.md)` });
}

const arrows = {
  meta: { type: "problem", docs: { description: "Who may import whom, as docs/house.md says." } },
  create(context: Context) {
    const look = (node: Node): void => judge(context, node);
    return {
      ImportDeclaration: look,
      ExportNamedDeclaration: look,
      ExportAllDeclaration: look,
      ImportExpression: look,
      TSImportType: look,
    };
  },
};

export default { meta: { name: "house" }, rules: { arrows } };
