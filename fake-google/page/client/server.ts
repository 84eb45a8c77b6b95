/** What the page and its server say to each other. */

export type SheetFacts = {
  sheetId: number;
  title: string;
  rows: number;
  columns: number;
  hidden: boolean;
  frozenRows: number;
};
export type Facts = { title: string; locale: string; timeZone: string; sheets: SheetFacts[] };
/** Display, the text that editing begins with where it differs, and n(umber), b(oolean) or e(rror). */
export type Shown = [display: string, edit?: string, kind?: string] | null;
export type MenuItem =
  | { caption: string; functionName: string }
  | { separator: true }
  | { caption: string; items: MenuItem[] };
export type Event =
  | { kind: "session"; session: string; user: string }
  | { kind: "cells"; cells: [sheetId: number, row: number, column: number, shown: Shown][] }
  | { kind: "structure"; sheetId: number; facts: Facts }
  | { kind: "sheets"; facts: Facts }
  | { kind: "menu"; caption: string; items: MenuItem[] }
  | {
      kind: "show";
      type: "sidebar" | "dialog";
      title: string;
      src: string;
      width: number | null;
      height: number | null;
    }
  | { kind: "dialog"; dialog: string; type: "alert" | "prompt"; title: string; message: string; buttons: string }
  | { kind: "toast"; message: string; title: string; timeoutSeconds: number };

export function createServer(id: string, user: string) {
  const base = `/-/sheets/${id}`;
  async function post(path: string, body: unknown): Promise<unknown> {
    const response = await fetch(path, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
    });
    const answer: unknown = await response.json();
    if (!response.ok)
      throw new Error(
        typeof answer === "object" && answer !== null && "detail" in answer
          ? String(answer.detail)
          : "That did not work.",
      );
    return answer;
  }
  return {
    facts: async (): Promise<Facts> => (await (await fetch(`${base}/facts`)).json()) as Facts,
    rows: async (sheetId: number): Promise<Shown[][]> => {
      const response = await fetch(`${base}/rows/${sheetId}`);
      return response.ok ? ((await response.json()) as { rows: Shown[][] }).rows : [];
    },
    act: (action: Readonly<Record<string, unknown>>): Promise<unknown> =>
      post(`${base}/actions`, [{ as: user, ...action }]),
    menu: (session: string, functionName: string): Promise<unknown> => post("/-/menu", { session, functionName }),
    answer: (session: string, dialog: string, chosen: string, text: string): Promise<unknown> =>
      post("/-/answers", { session, dialog, button: chosen, text }),
    /** Calls back for each event, and with `undefined` whenever the stream had to be opened anew. */
    listen(onEvent: (event: Event) => void): void {
      const stream = new EventSource(`${base}/events?as=${encodeURIComponent(user)}`);
      stream.addEventListener("message", (message) => onEvent(JSON.parse(String(message.data)) as Event));
    },
  };
}
export type Server = ReturnType<typeof createServer>;
