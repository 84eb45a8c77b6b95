/** The sheet as people open it: an HTTPS page at Google's path, its live updates, menus and the sidebar's frame. */
import { randomBytes } from "node:crypto";
import fastify, { type FastifyInstance, type FastifyReply } from "fastify";
import * as z from "zod";
import { actionSchema } from "../grid/grid.ts";
import { pageAssets } from "./assets.ts";
import { frameHtml, pageHtml } from "./html.ts";
import { createSessions, type Session } from "./sessions.ts";
import { certificate } from "./tls.ts";
import { addWebApps } from "./web-app.ts";
import type { Project } from "../projects/projects.ts";
import type { World } from "../world/world.ts";

type ForSpreadsheet = { Params: { id: string } };
const asSchema = z.email().default("ada@example.com").catch("ada@example.com");

export async function createPage(world: World) {
  const tls = await certificate();
  const https = { key: tls.key, cert: tls.cert };
  const server: FastifyInstance = fastify({ https, bodyLimit: 64 * 1024 * 1024, forceCloseConnections: true }) as never;
  // A page of its own origin, as the sidebar has at Google.
  const frames: FastifyInstance = fastify({ https, bodyLimit: 64 * 1024 * 1024, forceCloseConnections: true }) as never;
  let framesUrl = "";
  const sessions = createSessions({ framesUrl: () => framesUrl });

  const find = (id: string): Project => {
    const project = world.project(id);
    if (!project)
      throw Object.assign(new Error("Sorry, the file you have requested does not exist."), { statusCode: 404 });
    return project;
  };

  server.get("/", async (_request, reply) => reply.redirect("/spreadsheets/"));
  server.get("/spreadsheets/", async (_request, reply) => {
    const links = [...world.projects.values()].map(
      ({ spreadsheet }) =>
        `<li><a href="/spreadsheets/d/${spreadsheet.state.id}/edit">${escaped(spreadsheet.state.title)}</a></li>`,
    );
    return reply
      .type("text/html")
      .send(`<!doctype html><meta charset="utf-8"><title>Sheets</title><ul>${links.join("")}</ul>`);
  });

  server.get<ForSpreadsheet>("/spreadsheets/d/:id/edit", async (request, reply) => {
    const project = find(request.params.id);
    const nonce = randomBytes(16).toString("base64");
    const user = asSchema.parse(
      z.looseObject({ as: z.unknown() }).parse({ as: undefined, ...(request.query as object) }).as,
    );
    return reply
      .type("text/html; charset=utf-8")
      .header("content-security-policy", policy(nonce, framesUrl))
      .header("x-content-type-options", "nosniff")
      .header("referrer-policy", "strict-origin-when-cross-origin")
      .header("cache-control", "no-store")
      .send(pageHtml({ nonce, user, id: request.params.id, title: project.spreadsheet.state.title }));
  });

  server.get<{ Params: { file: string } }>("/-/assets/:file", async (request, reply) => {
    const asset = (await pageAssets()).get(request.params.file);
    if (!asset) return reply.code(404).send("");
    return reply.type(asset.type).header("cache-control", "no-cache").send(asset.text);
  });

  server.get<ForSpreadsheet>("/-/sheets/:id/facts", async (request) => factsOf(find(request.params.id)));
  server.get<{ Params: { id: string; sheetId: string } }>("/-/sheets/:id/rows/:sheetId", async (request, reply) => {
    const rows = rowsOf(find(request.params.id), Number(request.params.sheetId));
    return rows ?? reply.code(404).send({ detail: "There is no such sheet." });
  });

  server.post<ForSpreadsheet>("/-/sheets/:id/actions", async (request, reply) => {
    const project = find(request.params.id);
    for (const one of z.array(z.unknown()).max(1000).parse(request.body)) {
      const action = actionSchema.safeParse(one);
      if (!action.success) return reply.code(400).send({ detail: z.prettifyError(action.error) });
      const outcome = project.act(action.data);
      if ("refused" in outcome) return reply.code(400).send({ detail: outcome.refused });
    }
    return { ok: true };
  });

  server.get<ForSpreadsheet>("/-/sheets/:id/events", async (request, reply) => {
    const project = find(request.params.id);
    const user = asSchema.parse((request.query as { as?: unknown }).as);
    reply.hijack();
    reply.raw.writeHead(200, { "content-type": "text/event-stream", "cache-control": "no-store" });
    const session = sessions.open(project, user, (event) => void reply.raw.write(`data: ${JSON.stringify(event)}\n\n`));
    const stopListening = project.spreadsheet.onDelta((delta) => session.send(deltaFor(project, delta)));
    request.raw.on("close", () => {
      stopListening();
      session.close();
    });
    // The run behind onOpen records its own failure; the page stays usable without a menu.
    void project.open(user, session.ui);
  });

  server.post("/-/menu", async (request, reply) => {
    const { session: id, functionName } = z
      .object({ session: z.string(), functionName: z.string() })
      .parse(request.body);
    return withSession(reply, id, async ({ project, user, ui }) => {
      const outcome = await project.run({ functionName, user, actor: user, cause: "menu", authMode: "FULL", ui });
      return outcome.ok ? { ok: true } : { ok: false, error: outcome.error };
    });
  });
  server.post("/-/answers", async (request, reply) => {
    const {
      session: id,
      dialog,
      button,
      text,
    } = z
      .object({ session: z.string(), dialog: z.string(), button: z.string(), text: z.string().default("") })
      .parse(request.body);
    return withSession(reply, id, async (session) => ({ ok: session.answer(dialog, { button, text }) }));
  });

  frames.get<{ Params: { frame: string } }>("/userCodeAppPanel/:frame", async (request, reply) => {
    const frame = sessions.frame(request.params.frame);
    if (!frame) return reply.code(404).type("text/html").send("This panel is closed.");
    return reply
      .type("text/html; charset=utf-8")
      .header("cache-control", "no-store")
      .send(frameHtml(frame.html, request.params.frame));
  });
  frames.post<{ Params: { frame: string } }>("/run/:frame", async (request, reply) => {
    const frame = sessions.frame(request.params.frame);
    if (!frame) return reply.code(404).send({ error: "This panel is closed." });
    const { name, args } = z.object({ name: z.string(), args: z.array(z.unknown()) }).parse(request.body);
    const { project, user, ui } = frame.session;
    if (name.endsWith("_") || !project.bundle()?.functions.has(name))
      return { error: `google.script.run.${name} is not a function` };
    const outcome = await project.run({
      functionName: name,
      user,
      actor: user,
      cause: "google.script.run",
      authMode: "FULL",
      args: JSON.stringify(args),
      ui,
    });
    return outcome.ok ? { result: JSON.parse(outcome.json) as unknown } : { error: outcome.error };
  });

  addWebApps(server, world);
  for (const one of [server, frames]) {
    one.setErrorHandler((error: Error & { statusCode?: number }, _request, reply) =>
      reply
        .code(error instanceof z.ZodError ? 400 : (error.statusCode ?? 500))
        .send({ detail: error instanceof z.ZodError ? z.prettifyError(error) : error.message }),
    );
  }

  async function withSession(
    reply: FastifyReply,
    id: string,
    then: (session: Session) => Promise<object>,
  ): Promise<unknown> {
    const session = sessions.find(id);
    return session ? then(session) : reply.code(404).send({ detail: "This page is closed." });
  }

  return {
    spki: tls.spki,
    async listen(host: string, port: number): Promise<string> {
      framesUrl = await frames.listen({ host, port: 0 });
      return server.listen({ host, port });
    },
    async stop(): Promise<void> {
      sessions.stop();
      await Promise.all([server.close(), frames.close()]);
    },
  };
}

/** As strict as the page it stands in for: what an extension may not do there it may not do here. */
function policy(nonce: string, framesUrl: string): string {
  return [
    "default-src 'none'",
    `script-src 'nonce-${nonce}' 'strict-dynamic'`,
    "style-src 'self' 'unsafe-inline'",
    "img-src 'self' data:",
    "connect-src 'self'",
    `frame-src ${framesUrl}`,
    "base-uri 'none'",
    "object-src 'none'",
    "form-action 'none'",
    "require-trusted-types-for 'script'",
  ].join("; ");
}

function factsOf({ spreadsheet }: Project): object {
  const { title, locale, timeZone, sheets } = spreadsheet.state;
  return {
    title,
    locale,
    timeZone,
    sheets: sheets.map(({ sheetId, title: name, rowCount, columnCount, hidden, frozenRows }) => ({
      sheetId,
      title: name,
      rows: rowCount,
      columns: columnCount,
      hidden,
      frozenRows,
    })),
  };
}

type Shown = readonly [display: string, edit?: string, kind?: "n" | "b" | "e"];

/** One cell as the page shows it: its display, the text that editing begins with where that differs, and how it is aligned. */
function shown({ spreadsheet }: Project, sheetId: number, row: number, column: number): Shown | null {
  const sheet = spreadsheet.sheetById(sheetId);
  const cell = sheet?.rows[row]?.[column];
  if (!cell || (cell.value === null && cell.formula === undefined)) return null;
  const display = spreadsheet.display(cell);
  const { value, formula } = cell;
  const kind =
    typeof value === "number"
      ? "n"
      : typeof value === "boolean"
        ? "b"
        : typeof value === "object" && value !== null
          ? "e"
          : undefined;
  const edit = formula ?? (typeof value === "number" && cell.format === "" ? String(value) : display);
  if (kind === undefined && edit === display) return [display];
  return kind === undefined ? [display, edit] : [display, edit, kind];
}

function rowsOf(project: Project, sheetId: number): object | undefined {
  const sheet = project.spreadsheet.sheetById(sheetId);
  if (!sheet) return undefined;
  const rows = sheet.rows.map((line, row) =>
    line ? line.map((_, column) => shown(project, sheetId, row, column)) : [],
  );
  return { sheetId, rows };
}

function deltaFor(project: Project, delta: Parameters<Parameters<Project["spreadsheet"]["onDelta"]>[0]>[0]): object {
  if (delta.kind === "sheets") return { kind: "sheets", facts: factsOf(project) };
  if (delta.kind === "structure") return { kind: "structure", sheetId: delta.sheetId, facts: factsOf(project) };
  const cells: (readonly [number, number, number, Shown | null])[] = [];
  for (const { sheetId, row, column, rows, columns } of delta.regions) {
    if (cells.length + rows * columns > 5000) return { kind: "structure", sheetId, facts: factsOf(project) };
    for (let r = row; r < row + rows; r++)
      for (let c = column; c < column + columns; c++) cells.push([sheetId, r, c, shown(project, sheetId, r, c)]);
  }
  return { kind: "cells", cells };
}

const escaped = (text: string): string => text.replaceAll(/[&<>"']/g, (mark) => `&#${mark.codePointAt(0)};`);
