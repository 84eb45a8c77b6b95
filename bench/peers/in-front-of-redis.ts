/**
 * An ordinary post on its way to Redis instead of a log of one's own: `node:http`, signature, schema, and a script in Redis
 * that knows a retry and adds to the spreadsheet's stream. Posts of one turn share a round trip.
 * `in-front-of-redis.ts PORT REDIS_PORT KEYS`: KEYS is JSON of spreadsheet id to key.
 */
import { createHmac, createSecretKey, timingSafeEqual } from "node:crypto";
import { createServer } from "node:http";
import { createClient } from "@redis/client";
import { postSchema } from "@sheetwire/shared/protocol";
import * as z from "zod";

const [port = "0", redisPort = "0", keysText = "{}"] = process.argv.slice(2);
const keys = new Map(
  Object.entries(z.record(z.string(), z.string()).parse(JSON.parse(keysText))).map(([id, key]) => [
    id,
    createSecretKey(Buffer.from(key, "base64")),
  ]),
);
const redis = createClient({ socket: { host: "127.0.0.1", port: Number(redisPort) } });
redis.on("error", (error) => console.error(error));
await redis.connect();
const add = await redis.scriptLoad(
  "if not redis.call('SET', KEYS[1], '1', 'NX', 'EX', 86400) then return 0 end for _, change in ipairs(ARGV) do redis.call('XADD', KEYS[2], '*', 'change', change) end return #ARGV",
);
const ID = /^\/v1\/spreadsheets\/([^/]+)\/posts$/;

/** The status, and what it says. */
async function take(url: string, header: (name: string) => string, body: Buffer): Promise<[number, string]> {
  const id = ID.exec(url)?.[1] ?? "";
  const key = keys.get(id);
  if (!key) return [404, ""];
  const webhookId = header("webhook-id");
  const expected = createHmac("sha256", key)
    .update(`${webhookId}.${header("webhook-timestamp")}.`)
    .update(body)
    .digest("base64");
  const given = Buffer.from(header("webhook-signature").slice("v1,".length));
  if (given.length !== expected.length || !timingSafeEqual(given, Buffer.from(expected))) return [401, ""];
  const { cause, actor, readings } = postSchema.parse(JSON.parse(body.toString("utf8")));
  const loggedAt = Date.now();
  await redis.evalSha(add, {
    keys: [`post:${id}:${webhookId}`, `sheet:${id}`],
    arguments: readings.map((reading) => JSON.stringify({ ...reading, loggedAt, cause, actor })),
  });
  return [202, '{"seq":0,"wants":[]}'];
}

createServer((request, response) => {
  const pieces: Buffer[] = [];
  request.on("data", (piece: Buffer) => pieces.push(piece));
  request.on("end", () => {
    take(request.url ?? "", (name) => String(request.headers[name]), Buffer.concat(pieces)).then(
      ([status, text]) => {
        response.writeHead(status, { "content-type": "application/json", "content-length": text.length });
        response.end(text);
      },
      (error: unknown) => {
        console.error(error);
        response.writeHead(500);
        response.end();
      },
    );
  });
}).listen(Number(port), "127.0.0.1", () => {
  console.log(JSON.stringify({ msg: "listening", url: `http://127.0.0.1:${port}` }));
});
