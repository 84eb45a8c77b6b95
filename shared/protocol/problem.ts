import * as z from "zod";
import { problemTypeOf, refusalCodes, refusals, type RefusalCode } from "./refusal.ts";

/** A refusal over HTTP: RFC 9457 problem details, with our code beside `type`. */
export const problemSchema = z.object({
  type: z.string(),
  title: z.string(),
  status: z.int(),
  code: z.enum(refusalCodes),
  /** What is wrong, never with contents. */
  detail: z.string().optional(),
  maxBytes: z.int().optional(),
  retryAfterMs: z.number().optional(),
});
export type Problem = z.infer<typeof problemSchema>;

/** Makes the problem document of a refusal. */
export function problemOf(
  code: RefusalCode,
  more: { detail?: string | undefined; maxBytes?: number | undefined; retryAfterMs?: number | undefined } = {},
): Problem {
  const { status, title } = refusals[code];
  return { type: problemTypeOf(code), title, status, code, ...more };
}
