import {
  causeSchema,
  cellSchema,
  changeSchema,
  postAnswerSchema,
  postSchema,
  problemSchema,
  relayFactsSchema,
  sheetSchema,
  snapshotHeadSchema,
  snapshotRowsSchema,
} from "@sheetwire/shared/protocol";
import * as z from "zod";
import type { Route } from "./route.ts";

/** What each route says, for people who write clients. A route without words here is not described. */
const WORDS: Readonly<
  Record<string, { summary: string; answer?: z.ZodType; body?: z.ZodType; status?: number; type?: string }>
> = {
  "/v1/spreadsheets/:spreadsheetId/posts": {
    summary: "Takes one signed batch of readings (Standard Webhooks). Answered when it is durable.",
    body: postSchema,
    answer: postAnswerSchema,
    status: 202,
  },
  "/v1/spreadsheets": { summary: "The spreadsheets that the token opens." },
  "/v1/spreadsheets/:spreadsheetId": {
    summary: "Title, sheets and the log's head.",
    answer: z.object({ sheets: z.array(sheetSchema) }),
  },
  "/v1/spreadsheets/:spreadsheetId/values/:a1": {
    summary: "The cells of a range in A1 notation; ?render=values|formulas|display|cells.",
  },
  "/v1/spreadsheets/:spreadsheetId/cells/:a1/history": {
    summary:
      "What one cell was and became, newest first, followed across moved rows and columns; ?limit=, ?from= (next).",
    answer: z.object({
      sheetId: z.int(),
      row: z.int(),
      column: z.int(),
      epoch: z.string(),
      seq: z.int(),
      complete: z.boolean(),
      end: z.enum(["beginning", "trimmed", "limit"]),
      /** With `limit`: from where the story goes on. */
      next: z.string().optional(),
      entries: z.array(
        z.object({
          seq: z.int(),
          loggedAt: z.number(),
          cause: causeSchema,
          actor: z.string().optional(),
          was: cellSchema.optional(),
          now: cellSchema,
        }),
      ),
    }),
  },
  "/v1/spreadsheets/:spreadsheetId/digests": { summary: "Row digests of ?sheetId= in the window ?from= to ?to=." },
  "/v1/spreadsheets/:spreadsheetId/status": { summary: "How the sync stands.", answer: relayFactsSchema },
  "/v1/spreadsheets/:spreadsheetId/snapshot": {
    summary: "Everything, of one version, as NDJSON; goes on with ?after=sheetId:row and If-Match.",
    answer: z.union([snapshotHeadSchema, snapshotRowsSchema]),
    type: "application/x-ndjson",
  },
  "/v1/spreadsheets/:spreadsheetId/changes": {
    summary: "The log after ?since=, a page of ?limit=; followed live with Accept: text/event-stream.",
    answer: z.object({ epoch: z.string(), seq: z.int(), chain: z.string(), changes: z.array(changeSchema) }),
  },
  "/livez": { summary: "The process runs.", type: "text/plain" },
  "/readyz": { summary: "The store answers.", type: "text/plain" },
  "/metrics": { summary: "Numbers for Prometheus.", type: "text/plain" },
};

/** The routes as OpenAPI 3.1, made from the schemas that read and write them. */
export function openapiRoute(version: string, routes: readonly Route[]): Route {
  let body: string | undefined;
  return {
    method: "GET",
    path: "/v1/openapi.json",
    access: "open",
    handle: () => ({ ok: true, body: (body ??= JSON.stringify(documentOf(version, routes))) }),
  };
}

function documentOf(version: string, routes: readonly Route[]): object {
  const schema = (one: z.ZodType | undefined) =>
    one ? z.toJSONSchema(one, { unrepresentable: "any", io: "input" }) : {};
  const paths: Record<string, Record<string, unknown>> = {};
  for (const { method, path, access } of routes) {
    const words = WORDS[path];
    if (!words) continue;
    const parameters = [...path.matchAll(/:(\w+)/g)].map(([, name]) => ({
      name,
      in: "path",
      required: true,
      schema: { type: "string" },
    }));
    const url = path.replaceAll(/:(\w+)/g, "{$1}");
    paths[url] = {
      ...paths[url],
      [method.toLowerCase()]: {
        operationId: `${method.toLowerCase()}${url.replaceAll(/[^A-Za-z0-9]+(\w)?/g, (_, letter?: string) => (letter ?? "").toUpperCase())}`,
        summary: words.summary,
        parameters,
        ...(words.body
          ? { requestBody: { required: true, content: { "application/json": { schema: schema(words.body) } } } }
          : {}),
        ...(access === "token" ? { security: [{ bearer: [] }] } : {}),
        responses: {
          [words.status ?? 200]: {
            description: "Done.",
            content: { [words.type ?? "application/json"]: { schema: schema(words.answer) } },
          },
          default: {
            description: "Refused.",
            content: { "application/problem+json": { schema: { $ref: "#/components/schemas/Problem" } } },
          },
        },
      },
    };
  }
  return {
    openapi: "3.1.0",
    info: { title: "Sheetwire relay", version, license: { name: "MIT", identifier: "MIT" } },
    servers: [{ url: "/" }],
    paths,
    components: {
      schemas: { Problem: schema(problemSchema), Cause: schema(causeSchema) },
      securitySchemes: { bearer: { type: "http", scheme: "bearer" } },
    },
  };
}
