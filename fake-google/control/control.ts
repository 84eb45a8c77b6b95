/** What tests, demos and tools do with this Google from outside: JSON over HTTP under /control. */
import fastify, { type FastifyInstance, type FastifyReply } from "fastify";
import * as z from "zod";
import { datasets } from "../data/data.ts";
import { actionNames, actionSchema } from "../grid/grid.ts";
import { faultsSchema } from "../hostile/hostile.ts";
import { newSpreadsheetSchema, type World } from "../world/world.ts";
import type { Project, Ui } from "../projects/projects.ts";

const maxBodyBytes = 256 * 1024 * 1024;
const idleLimitMs = 60_000;

const afterMsSchema = z
  .number()
  .min(0)
  .max(366 * 86_400_000);
/** An action, and how much of the fake's time passes before it. */
const timedSchema = z.looseObject({ afterMs: afterMsSchema.optional() });
const clockSchema = z
  .strictObject({
    advanceMs: afterMsSchema.optional(),
    virtual: z.boolean().optional(),
    auto: z.boolean().optional(),
    shared: z.boolean().optional(),
  })
  .refine(
    ({ advanceMs, virtual }) => advanceMs !== undefined || virtual !== undefined,
    "A clock takes advanceMs or virtual.",
  )
  .refine(
    ({ virtual, auto, shared }) => (auto === undefined && shared === undefined) || virtual === true,
    "auto and shared are said of a virtual clock.",
  );
const profileChoiceSchema = z.strictObject({
  name: z.string(),
  seed: z.int().nonnegative().optional(),
  faults: faultsSchema.optional(),
});

type ForSpreadsheet = { Params: { id: string } };

export function createControl(world: World): FastifyInstance {
  const server = fastify({ bodyLimit: maxBodyBytes, forceCloseConnections: true });

  server.setErrorHandler((error: Error & { statusCode?: number }, _request, reply) => {
    const status = error.statusCode ?? (error instanceof z.ZodError ? 400 : 500);
    return problem(reply, status, error instanceof z.ZodError ? z.prettifyError(error) : error.message);
  });
  server.setNotFoundHandler((_request, reply) => problem(reply, 404, "There is nothing here."));
  server.removeAllContentTypeParsers();
  server.addContentTypeParser("*", { parseAs: "string" }, (_request, body, done) => {
    try {
      done(null, body === "" ? {} : (JSON.parse(String(body)) as unknown));
    } catch {
      done(Object.assign(new Error("The body is not JSON."), { statusCode: 400 }));
    }
  });

  const find = (id: string): Project => {
    const project = world.project(id);
    if (!project) throw Object.assign(new Error("There is no such spreadsheet."), { statusCode: 404 });
    return project;
  };

  server.post("/control/spreadsheets", async (request, reply) => {
    const project = world.create(newSpreadsheetSchema.parse(request.body));
    return reply.code(201).send(described(project));
  });
  server.get("/control/spreadsheets", async () => ({ spreadsheets: [...world.projects.values()].map(described) }));
  server.get<ForSpreadsheet>("/control/spreadsheets/:id", async (request) => described(find(request.params.id)));
  server.delete<ForSpreadsheet>("/control/spreadsheets/:id", async (request) => {
    world.remove(find(request.params.id).spreadsheet.state.id);
    return { ok: true };
  });
  server.post("/control/data", async (request, reply) => {
    const { dataset } = z.strictObject({ dataset: z.enum(datasets) }).parse(request.body);
    return reply.code(201).send(described(await world.createFromDataset(dataset)));
  });

  server.get<{ Params: { id: string; sheetId: string } }>(
    "/control/spreadsheets/:id/sheets/:sheetId/rows",
    async (request, reply) => {
      const { spreadsheet } = find(request.params.id);
      const sheet = spreadsheet.sheetById(Number(request.params.sheetId));
      return sheet ? spreadsheet.wireRows(sheet) : problem(reply, 404, "There is no such sheet.");
    },
  );

  server.post<ForSpreadsheet>("/control/spreadsheets/:id/actions", { schema: {} }, async (request, reply) => {
    const project = find(request.params.id);
    const list = z.array(z.unknown()).max(100_000).safeParse(request.body);
    if (!list.success) return problem(reply, 400, "Actions come as an array.");
    let applied = 0;
    for (const listed of list.data) {
      const timed = timedSchema.safeParse(listed);
      if (!timed.success) return problem(reply, 400, z.prettifyError(timed.error), { applied });
      const { afterMs, ...one } = timed.data;
      const action = actionSchema.safeParse(one);
      if (!action.success) {
        const name = z.looseObject({ action: z.string() }).safeParse(one);
        const isKnown = name.success && actionNames.some((known) => known === name.data.action);
        return problem(reply, 400, isKnown ? z.prettifyError(action.error) : "There is no such action.", { applied });
      }
      if (afterMs !== undefined) await world.clock.wait(afterMs, "somebody's next action");
      const outcome = project.act(action.data);
      if ("refused" in outcome) return problem(reply, 400, outcome.refused, { applied });
      applied++;
    }
    return { applied };
  });

  server.post<ForSpreadsheet>("/control/spreadsheets/:id/script", async (request, reply) => {
    const project = find(request.params.id);
    return (await push(project, reply)) ? { functions: [...(project.bundle()?.functions ?? [])] } : reply;
  });

  server.post<ForSpreadsheet>("/control/spreadsheets/:id/connect", async (request, reply) => {
    const project = find(request.params.id);
    const { connectionString, as } = z
      .strictObject({ connectionString: z.string().max(4096), as: z.email().optional() })
      .parse(request.body);
    if (!(await push(project, reply))) return reply;
    const user = as ?? project.spreadsheet.state.owner;
    await project.open(user, alone);
    const outcome = await project.run({
      functionName: "ui_connect",
      user,
      actor: user,
      cause: "dialog",
      authMode: "FULL",
      args: JSON.stringify([connectionString]),
      ui: alone,
    });
    if (!outcome.ok) return problem(reply, 422, outcome.error);
    const result = z.looseObject({ ok: z.boolean() }).safeParse(JSON.parse(outcome.json));
    if (!result.success) return problem(reply, 422, "ui_connect handed back no {ok}.");
    const { message } = z.looseObject({ message: z.string().optional() }).parse(result.data);
    return result.data.ok
      ? result.data
      : problem(reply, 422, message ?? "The script could not connect.", { result: result.data });
  });

  server.post<ForSpreadsheet>("/control/spreadsheets/:id/run", async (request, reply) => {
    const project = find(request.params.id);
    const {
      function: name,
      args,
      as,
    } = z
      .strictObject({ function: z.string(), args: z.array(z.unknown()).default([]), as: z.email().optional() })
      .parse(request.body);
    if (!project.bundle() && !(await push(project, reply))) return reply;
    if (name.endsWith("_") || !project.bundle()?.functions.has(name))
      return problem(reply, 404, "The page cannot call that function.");
    const user = as ?? project.spreadsheet.state.owner;
    const outcome = await project.run({
      functionName: name,
      user,
      actor: user,
      cause: "google.script.run",
      authMode: "FULL",
      args: JSON.stringify(args),
      ui: alone,
    });
    return outcome.ok ? { result: JSON.parse(outcome.json) as unknown } : problem(reply, 422, outcome.error);
  });

  server.post<ForSpreadsheet>("/control/spreadsheets/:id/sidebar", async (request, reply) => {
    const project = find(request.params.id);
    const { function: wanted, as } = z
      .strictObject({ function: z.string().optional(), as: z.email().optional() })
      .parse(request.body ?? {});
    if (!project.bundle() && !(await push(project, reply))) return reply;
    const user = as ?? project.spreadsheet.state.owner;
    const shown: { type: string; title: string; html: string }[] = [];
    const ui: Ui = (what, args) => {
      const page = z.object({ type: z.string(), title: z.string(), html: z.string() }).safeParse(args);
      if (what === "show" && page.success) shown.push(page.data);
      return what === "dialog" ? "CLOSE" : null;
    };
    const name =
      wanted ?? ["showSidebar", "openSidebar", "ui_showSidebar"].find((one) => project.bundle()?.functions.has(one));
    if (name === undefined) return problem(reply, 404, "The script has no function that opens a sidebar.");
    const outcome = await project.run({ functionName: name, user, actor: user, cause: "menu", authMode: "FULL", ui });
    if (!outcome.ok) return problem(reply, 422, outcome.error);
    const sidebar = shown.find((one) => one.type === "sidebar");
    return sidebar
      ? { title: sidebar.title, html: sidebar.html, bytes: Buffer.byteLength(sidebar.html) }
      : problem(reply, 422, "The script opened no sidebar.");
  });

  server.post<ForSpreadsheet>("/control/spreadsheets/:id/deployments", async (request, reply) => {
    const project = find(request.params.id);
    if (!project.bundle() && !(await push(project, reply))) return reply;
    const deployment = project.deploy(project.spreadsheet.state.owner);
    if ("refused" in deployment) return problem(reply, 422, deployment.refused);
    return reply.code(201).send({ deploymentId: deployment.deploymentId, url: deployment.url });
  });

  server.get<ForSpreadsheet>("/control/spreadsheets/:id/executions", async (request) =>
    find(request.params.id).executions(),
  );
  server.get<ForSpreadsheet>("/control/spreadsheets/:id/triggers", async (request) =>
    find(request.params.id)
      .triggers.all()
      .map(({ uid, owner, handler, eventType, everyMinutes }) => ({ uid, owner, handler, eventType, everyMinutes })),
  );
  server.get<ForSpreadsheet>("/control/spreadsheets/:id/idle", async (request) => {
    const { timeoutMs } = z
      .object({ timeoutMs: z.coerce.number().min(0).max(idleLimitMs).default(5000) })
      .parse(request.query);
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<boolean>((resolve) => (timer = setTimeout(() => resolve(false), timeoutMs)));
    const idle = await Promise.race([
      find(request.params.id)
        .idle()
        .then(() => true),
      late,
    ]);
    clearTimeout(timer);
    return { idle };
  });

  server.post<ForSpreadsheet>("/control/spreadsheets/:id/gates", async (request, reply) => {
    const { gates } = find(request.params.id);
    const { op, when } = z
      .strictObject({ op: z.string().regex(/^\w+(\.\w+)?$/), when: z.enum(["before", "after"]).default("before") })
      .parse(request.body);
    return reply.code(201).send({ gateId: gates.keep(gates.close(op, when)) });
  });
  server.get<{ Params: { id: string; gateId: string } }>(
    "/control/spreadsheets/:id/gates/:gateId",
    async (request, reply) => {
      const gate = find(request.params.id).gates.kept(request.params.gateId);
      return gate ? { held: gate.held() } : problem(reply, 404, "There is no such gate.");
    },
  );
  server.delete<{ Params: { id: string; gateId: string } }>(
    "/control/spreadsheets/:id/gates/:gateId",
    async (request, reply) => {
      const gate = find(request.params.id).gates.kept(request.params.gateId);
      if (!gate) return problem(reply, 404, "There is no such gate.");
      const released = gate.held();
      gate.open();
      return { released };
    },
  );

  server.get("/control/usage", async (request) => {
    const { spreadsheetId } = z.object({ spreadsheetId: z.string().optional() }).parse(request.query);
    return spreadsheetId === undefined ? world.usage() : { ...find(spreadsheetId).usage };
  });
  server.post("/control/usage/reset", async () => {
    world.resetUsage();
    return { ok: true };
  });
  server.post("/control/clock", async (request) => {
    const { advanceMs, virtual, auto, shared } = clockSchema.parse(request.body);
    if (virtual !== undefined) world.clock.setVirtual(virtual, auto, shared);
    if (advanceMs !== undefined) await world.clock.advance(advanceMs);
    return world.describeClock();
  });
  server.get("/control/clock", async () => world.describeClock());
  server.post("/control/profile", async (request, reply) => {
    const { name, seed, faults } = profileChoiceSchema.parse(request.body);
    if (name !== "hostile" && (seed !== undefined || faults !== undefined))
      return problem(reply, 400, "Only the profile hostile has a seed and faults.");
    if (!world.setProfile(name, seed, faults)) return problem(reply, 400, "There is no such behaviour profile.");
    return { name, ...hostilityOf(world) };
  });
  server.get("/control/profile", async () => ({ ...world.profile(), ...hostilityOf(world) }));
  server.post("/control/faults/stop", async () => {
    world.endFaults();
    return { ok: true };
  });
  server.get(
    "/control/decisions",
    async () => world.hostility()?.decisions() ?? { seed: null, decisions: [], more: 0 },
  );

  /** Reads the built script and binds it, or answers why it cannot be. */
  async function push(project: Project, reply: FastifyReply): Promise<boolean> {
    try {
      project.push(await world.readBundle());
      return true;
    } catch (error) {
      await problem(reply, 422, error instanceof Error ? error.message : "The script cannot be read.");
      return false;
    }
  }

  return server;
}

/** The bad day there is, by which it can be had again. */
function hostilityOf(world: World): object {
  const hostility = world.profile().name === "hostile" ? world.hostility() : undefined;
  return hostility ? { seed: hostility.seed, faults: hostility.chances, over: hostility.isOver() } : {};
}

/** A caller without a page: what a script shows is seen by nobody, and dialogs are closed. */
const alone: Ui = (what) => (what === "dialog" ? "CLOSE" : null);

function described({ spreadsheet, editUrl }: Project): object {
  const { id, title, locale, timeZone, sheets } = spreadsheet.state;
  return {
    spreadsheetId: id,
    title,
    locale,
    timeZone,
    sheets: sheets.map((sheet) => ({ sheetId: sheet.sheetId, title: sheet.title })),
    editUrl,
  };
}

const titles: Record<number, string> = {
  400: "Bad Request",
  404: "Not Found",
  413: "Content Too Large",
  422: "The script refused",
};

function problem(reply: FastifyReply, status: number, detail: string, more: object = {}): FastifyReply {
  return reply
    .code(status)
    .type("application/problem+json")
    .send({ type: "about:blank", title: titles[status] ?? "Error", status, detail, ...more });
}
