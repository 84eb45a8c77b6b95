/** Open pages: who looks at which sheet, and what a script shows them. */
import { randomUUID } from "node:crypto";
import * as z from "zod";
import type { Project, Ui } from "../projects/projects.ts";

export type Session = {
  readonly id: string;
  readonly project: Project;
  readonly user: string;
  readonly ui: Ui;
  readonly send: (event: object) => void;
  /** Gives a waiting dialog its answer. */
  readonly answer: (dialog: string, answer: { button: string; text: string }) => boolean;
  readonly close: () => void;
};
export type Frame = { readonly html: string; readonly session: Session };

const shownSchema = z.object({
  type: z.enum(["sidebar", "dialog"]),
  title: z.string(),
  html: z.string(),
  width: z.number().nullable(),
  height: z.number().nullable(),
});
const maxFramesPerPage = 20;

export function createSessions(needs: { framesUrl: () => string }) {
  const sessions = new Map<string, Session>();
  const frames = new Map<string, Frame>();

  function open(project: Project, user: string, write: (event: object) => void): Session {
    const id = randomUUID();
    const dialogs = new Map<string, (answer: unknown) => void>();
    const own: string[] = [];
    const ui: Ui = async (what, args) => {
      if (what === "show") {
        const { html, ...rest } = shownSchema.parse(args);
        const frame = randomUUID();
        frames.set(frame, { html, session });
        own.push(frame);
        if (own.length > maxFramesPerPage) frames.delete(own.shift() ?? "");
        session.send({ kind: "show", ...rest, src: `${needs.framesUrl()}/userCodeAppPanel/${frame}` });
        return null;
      }
      if (what === "dialog") {
        const dialog = randomUUID();
        const { type } = z.looseObject({ type: z.string() }).parse(args);
        const answer = new Promise<unknown>((resolve) => dialogs.set(dialog, resolve));
        session.send({ kind: "dialog", dialog, ...(args as object) });
        const { button, text } = (await answer) as { button: string; text: string };
        return type === "prompt" ? { button, text } : button;
      }
      session.send({ kind: what, ...(args as object) });
      return null;
    };
    const session: Session = {
      id,
      project,
      user,
      ui,
      send: write,
      answer: (dialog, answer) => {
        const waiting = dialogs.get(dialog);
        dialogs.delete(dialog);
        waiting?.(answer);
        return waiting !== undefined;
      },
      close: () => {
        sessions.delete(id);
        for (const frame of own) frames.delete(frame);
        for (const waiting of dialogs.values()) waiting({ button: "CLOSE", text: "" });
        dialogs.clear();
      },
    };
    sessions.set(id, session);
    write({ kind: "session", session: id, user });
    return session;
  }

  return {
    open,
    find: (id: string): Session | undefined => sessions.get(id),
    frame: (id: string): Frame | undefined => frames.get(id),
    stop: (): void => {
      for (const session of sessions.values()) session.close();
    },
  };
}
