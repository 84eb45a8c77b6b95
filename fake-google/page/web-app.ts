/** Deployed web apps: a POST runs `doPost`, and its answer is fetched from a second address, as Google does it. */
import { randomUUID } from "node:crypto";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import type { Project } from "../projects/projects.ts";
import type { World } from "../world/world.ts";

type Content = { readonly text: string; readonly type: string };
const maxContents = 1000;
const mimeTypes: Record<string, string> = {
  JSON: "application/json",
  TEXT: "text/plain",
  XML: "application/xml",
  CSV: "text/csv",
  JAVASCRIPT: "text/javascript",
  HTML: "text/html",
};

export function addWebApps(server: FastifyInstance, world: World): void {
  const contents = new Map<string, Content>();

  async function run(
    request: FastifyRequest<{ Params: { deploymentId: string } }>,
    reply: FastifyReply,
    functionName: "doPost" | "doGet",
  ): Promise<FastifyReply> {
    const found = deployed(world, request.params.deploymentId);
    // Google answers even this with a page, and hides which deployments there are.
    if (!found)
      return reply.code(404).type("text/html").send(errorPage("Sorry, unable to open the file at this time."));
    const { project, deployment } = found;
    if (!deployment.bundle.functions.has(functionName))
      return reply.type("text/html").send(errorPage(`Script function not found: ${functionName}`));
    const query = request.url.includes("?") ? request.url.slice(request.url.indexOf("?") + 1) : "";
    const parameter = Object.fromEntries(new URLSearchParams(query));
    const body =
      typeof request.body === "string"
        ? request.body
        : request.body === undefined || request.body === null
          ? ""
          : JSON.stringify(request.body);
    const outcome = await project.run({
      functionName,
      user: deployment.user,
      actor: "",
      cause: "web app",
      authMode: "FULL",
      bundle: deployment.bundle,
      event: {
        kind: "post",
        body,
        contentType: request.headers["content-type"] ?? "application/octet-stream",
        parameter,
        query,
      },
    });
    if (!outcome.ok) return reply.type("text/html").send(errorPage(outcome.error));
    const result = JSON.parse(outcome.json) as { $content?: string; mimeType?: string } | null;
    if (!result || result.$content === undefined)
      return reply
        .type("text/html")
        .send(errorPage("The script completed but the returned value is not a supported return type."));
    const key = randomUUID();
    contents.set(key, { text: result.$content, type: mimeTypes[result.mimeType ?? "TEXT"] ?? "text/plain" });
    const oldest = contents.keys().next();
    if (contents.size > maxContents && !oldest.done) contents.delete(oldest.value);
    return reply
      .code(302)
      .header("location", `${new URL(deployment.url).origin}/macros/echo?user_content_key=${key}`)
      .send("");
  }

  // A script is given the body as it came, JSON or not.
  void server.register(async (raw) => {
    raw.removeAllContentTypeParsers();
    raw.addContentTypeParser("*", { parseAs: "string" }, (_request, body, done) => done(null, body));
    raw.post<{ Params: { deploymentId: string } }>("/macros/s/:deploymentId/exec", (request, reply) =>
      run(request, reply, "doPost"),
    );
  });
  server.get<{ Params: { deploymentId: string } }>("/macros/s/:deploymentId/exec", (request, reply) =>
    run(request, reply, "doGet"),
  );
  server.get("/macros/echo", async (request, reply) => {
    const key = new URLSearchParams(request.url.slice(request.url.indexOf("?") + 1)).get("user_content_key") ?? "";
    const content = contents.get(key);
    if (!content) return reply.code(404).type("text/html").send(errorPage("Not found."));
    return reply.type(`${content.type}; charset=utf-8`).header("cache-control", "no-store").send(content.text);
  });
}

function deployed(
  world: World,
  deploymentId: string,
): { project: Project; deployment: ReturnType<Project["deployments"]>[number] } | undefined {
  for (const project of world.projects.values()) {
    const deployment = project.deployments().find((one) => one.deploymentId === deploymentId);
    if (deployment) return { project, deployment };
  }
  return undefined;
}

const errorPage = (message: string): string =>
  `<!DOCTYPE html><html><head><title>Error</title></head><body><div>${message.replaceAll(/[&<>"']/g, (mark) => `&#${mark.codePointAt(0)};`)}</div></body></html>`;
