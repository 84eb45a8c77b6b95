import { problemSchema, refusals } from "@sheetwire/shared/protocol";

/** What became of trying an address and a token. */
export type Trial =
  | { ok: true }
  | { ok: false; why: "unreachable" | "no-access" | "not-a-relay" | "trouble"; words: string };

const WITHIN_MS = 8_000;

/** Asks the relay for this spreadsheet's status with this token, and says in words what came of it. */
export async function tryConnection(
  { relayUrl, spreadsheetId, token }: { relayUrl: string; spreadsheetId: string; token: string },
  fetchFrom: (url: string, init: RequestInit) => Promise<Response>,
): Promise<Trial> {
  let response: Response;
  try {
    response = await fetchFrom(`${relayUrl}/v1/spreadsheets/${spreadsheetId}/status`, {
      headers: { authorization: `Bearer ${token}` },
      signal: AbortSignal.timeout(WITHIN_MS),
      cache: "no-store",
      credentials: "omit",
      redirect: "error",
    });
  } catch {
    return {
      ok: false,
      why: "unreachable",
      words: "No answer from this address. Check it for typing errors, and that the relay is running.",
    };
  }
  if (response.ok) {
    const body: unknown = await response.json().catch(() => undefined);
    if (typeof body === "object" && body !== null) return { ok: true };
    return notARelay;
  }
  const problem = problemSchema.safeParse(await response.json().catch(() => undefined));
  if (response.status === 401 || response.status === 403) {
    return {
      ok: false,
      why: "no-access",
      words: "The relay is there, but does not accept this token for this spreadsheet.",
    };
  }
  if (!problem.success) return notARelay;
  return { ok: false, why: "trouble", words: `The relay answered: ${refusals[problem.data.code].title}` };
}

const notARelay: Trial = {
  ok: false,
  why: "not-a-relay",
  words: "Something answered at this address, but it is not a relay.",
};
