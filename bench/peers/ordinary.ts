/**
 * What an ordinary server does: Fastify, a schema, one transaction with FULL durability a request, and socket.io.
 * `ordinary.ts PORT FILE KEYS`: KEYS is JSON of spreadsheet id to key.
 */
import { createHmac, timingSafeEqual } from "node:crypto";
import { DatabaseSync } from "node:sqlite";
import { postSchema } from "@sheetwire/shared/protocol";
import fastify from "fastify";
import { Server } from "socket.io";
import * as z from "zod";

const [port = "0", file = "", keysText = "{}"] = process.argv.slice(2);
const keys = new Map(Object.entries(z.record(z.string(), z.string()).parse(JSON.parse(keysText))));
const db = new DatabaseSync(file);
db.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL");
db.exec("CREATE TABLE changes (sheet TEXT, seq INTEGER, json TEXT, PRIMARY KEY (sheet, seq))");
db.exec("CREATE TABLE posts (sheet TEXT, id TEXT, PRIMARY KEY (sheet, id))");
db.exec("CREATE TABLE heads (sheet TEXT PRIMARY KEY, seq INTEGER)");
const known = db.prepare("SELECT 1 FROM posts WHERE sheet = ? AND id = ?");
const head = db.prepare("SELECT seq FROM heads WHERE sheet = ?");
const move = db.prepare("INSERT OR REPLACE INTO heads (sheet, seq) VALUES (?, ?)");
const add = db.prepare("INSERT INTO changes (sheet, seq, json) VALUES (?, ?, ?)");
const remember = db.prepare("INSERT INTO posts (sheet, id) VALUES (?, ?)");

const app = fastify({ bodyLimit: 4 * 1024 * 1024 });
const io = new Server(app.server, { transports: ["websocket"], perMessageDeflate: false, pingInterval: 600_000 });
io.on("connection", (socket) => void socket.join("bench-0"));
app.addContentTypeParser("application/json", { parseAs: "buffer" }, (_request, body, done) => done(null, body));

app.post<{ Params: { id: string }; Body: Buffer }>("/v1/spreadsheets/:id/posts", async (request, reply) => {
  const { id } = request.params;
  const webhookId = String(request.headers["webhook-id"]);
  const expected = createHmac("sha256", Buffer.from(keys.get(id) ?? "", "base64"))
    .update(`${webhookId}.${String(request.headers["webhook-timestamp"])}.`)
    .update(request.body)
    .digest("base64");
  const given = Buffer.from(String(request.headers["webhook-signature"]).slice("v1,".length));
  if (given.length !== expected.length || !timingSafeEqual(given, Buffer.from(expected))) return reply.code(401).send();
  const post = postSchema.parse(JSON.parse(request.body.toString("utf8")));
  if (known.get(id, webhookId)) return reply.code(202).send({ seq: 0, wants: [] });
  db.exec("BEGIN IMMEDIATE");
  let seq = Number(head.get(id)?.["seq"] ?? 0);
  const changes = post.readings.map((reading) => {
    seq += 1;
    return { ...reading, seq, loggedAt: Date.now(), cause: post.cause, actor: post.actor };
  });
  for (const change of changes) add.run(id, change.seq, JSON.stringify(change));
  move.run(id, seq);
  remember.run(id, webhookId);
  db.exec("COMMIT");
  for (const change of changes) io.to(id).emit("changes", { kind: "changes", spreadsheetId: id, changes: [change] });
  return reply.code(202).send({ seq, wants: [] });
});
await app.listen({ port: Number(port), host: "127.0.0.1" });
console.log(JSON.stringify({ msg: "listening", url: `http://127.0.0.1:${port}` }));
