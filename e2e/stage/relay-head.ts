/** What a device can ask the relay of itself. */
import * as z from "zod";

const statusSchema = z.object({
  script: z.object({ lastHeardAt: z.number().optional() }),
  sweep: z.object({ openRows: z.number() }),
});
const headSchema = z.object({ seq: z.number() });

/** The relay's place in its log if it knows every row, else nothing. */
export async function seqOfAll(relayUrl: string, spreadsheetId: string, token: string): Promise<number | undefined> {
  const get = async (path: string): Promise<unknown> => {
    const headers = { authorization: `Bearer ${token}` };
    const answer = await fetch(`${relayUrl}/v1/spreadsheets/${spreadsheetId}${path}`, { headers });
    return answer.ok ? answer.json() : undefined;
  };
  const status = statusSchema.safeParse(await get("/status"));
  const isKnown = status.success && status.data.script.lastHeardAt !== undefined && status.data.sweep.openRows === 0;
  return isKnown ? headSchema.parse(await get("")).seq : undefined;
}
