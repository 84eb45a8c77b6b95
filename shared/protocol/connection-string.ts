import * as z from "zod";
import { spreadsheetIdSchema } from "./grid-range.ts";

/** What an admin pastes into the spreadsheet's Connect dialog: `sw1.` and base64url of this as JSON. */
export const connectionSchema = z.object({
  url: z.url().max(2_048),
  spreadsheetId: spreadsheetIdSchema,
  ingestKey: z.string().regex(/^whsec_[A-Za-z0-9+/]{32,}={0,2}$/),
});
export type Connection = z.infer<typeof connectionSchema>;
export const CONNECTION_PREFIX = "sw1.";
