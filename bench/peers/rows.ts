/**
 * The usual way to store a feed: a row for every change. Takes the same signed posts, groups the posts of a turn into one
 * transaction, and resumes a watcher from the rows: `joined`, many rows a message, or `objects`, each parsed, serialised
 * and sent by itself. `rows.ts PORT FILE KEYS full|normal joined|objects`
 */
import { createHmac, timingSafeEqual } from "node:crypto";
import { createServer } from "node:http";
import { DatabaseSync } from "node:sqlite";
import { postSchema } from "@sheetwire/shared/protocol";
import { WebSocketServer, type WebSocket } from "ws";
import * as z from "zod";

const [port = "0", file = "", keysText = "{}", durability = "full", resume = "joined"] = process.argv.slice(2);
const keys = new Map(
  Object.entries(z.record(z.string(), z.string()).parse(JSON.parse(keysText))).map(([id, key]) => [
    id,
    Buffer.from(key, "base64"),
  ]),
);
const db = new DatabaseSync(file);
db.exec(`PRAGMA journal_mode = WAL; PRAGMA synchronous = ${durability.toUpperCase()}`);
db.exec(
  "CREATE TABLE IF NOT EXISTS changes (sheet TEXT, seq INTEGER, json TEXT, PRIMARY KEY (sheet, seq)) WITHOUT ROWID",
);
db.exec("CREATE TABLE IF NOT EXISTS posts (sheet TEXT, id TEXT, PRIMARY KEY (sheet, id)) WITHOUT ROWID");
const add = db.prepare("INSERT INTO changes (sheet, seq, json) VALUES (?, ?, ?)");
const remember = db.prepare("INSERT OR IGNORE INTO posts (sheet, id) VALUES (?, ?)");
const after = db.prepare("SELECT json FROM changes WHERE sheet = ? AND seq > ? ORDER BY seq LIMIT 1000");
const heads = new Map<string, number>();

let group: (() => () => void)[] = [];
function commit(): void {
  const mine = group;
  group = [];
  db.exec("BEGIN IMMEDIATE");
  const answers = mine.map((one) => one());
  db.exec("COMMIT");
  for (const answer of answers) answer();
}

const server = createServer((request, response) => {
  const parts: Buffer[] = [];
  request.on("data", (part: Buffer) => parts.push(part));
  request.on("end", () => {
    const body = Buffer.concat(parts);
    const id = (request.url ?? "").split("/")[3] ?? "";
    const webhookId = String(request.headers["webhook-id"]);
    const expected = createHmac("sha256", keys.get(id) ?? Buffer.alloc(0))
      .update(`${webhookId}.${String(request.headers["webhook-timestamp"])}.`)
      .update(body)
      .digest("base64");
    const given = Buffer.from(String(request.headers["webhook-signature"]).slice("v1,".length));
    if (given.length !== expected.length || !timingSafeEqual(given, Buffer.from(expected))) {
      response.writeHead(401).end();
      return;
    }
    const post = postSchema.parse(JSON.parse(body.toString("utf8")));
    if (group.length === 0) setImmediate(commit);
    group.push(() => {
      let seq = heads.get(id) ?? 0;
      if (remember.run(id, webhookId).changes > 0) {
        for (const reading of post.readings) {
          seq += 1;
          add.run(
            id,
            seq,
            JSON.stringify({ ...reading, seq, loggedAt: Date.now(), cause: post.cause, actor: post.actor }),
          );
        }
        heads.set(id, seq);
      }
      const answer = JSON.stringify({ seq, wants: [] });
      return () => void response.writeHead(202, { "content-length": answer.length }).end(answer);
    });
  });
});

const feed = new WebSocketServer({ server, perMessageDeflate: false });
feed.on("connection", (socket) => socket.on("message", (data: Buffer) => void send(socket, data.toString("utf8"))));

/** Everything of one spreadsheet from its beginning, no faster than it is taken. */
async function send(socket: WebSocket, id: string): Promise<void> {
  for (let seq = 0; socket.readyState === socket.OPEN;) {
    const texts = after.all(id, seq).map((row) => String(row["json"]));
    if (texts.length === 0) return;
    seq += texts.length;
    if (resume === "joined") socket.send(`{"kind":"changes","spreadsheetId":"${id}","changes":[${texts.join(",")}]}`);
    else {
      for (const text of texts)
        socket.send(JSON.stringify({ kind: "changes", spreadsheetId: id, changes: [JSON.parse(text) as unknown] }));
    }
    while (socket.bufferedAmount > 256 * 1024) await new Promise((resolve) => setImmediate(resolve));
  }
}
server.listen(Number(port), "127.0.0.1", 4096, () =>
  console.log(JSON.stringify({ msg: "listening", url: `http://127.0.0.1:${port}` })),
);
