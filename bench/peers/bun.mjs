// Bun's own server and its publish to a topic; run by Bun.
import { listenForMessages } from "./publisher-port.mjs";

const [port = "0", publisherPort = "0"] = process.argv.slice(2);
const server = globalThis.Bun.serve({
  port: Number(port),
  hostname: "127.0.0.1",
  fetch: (request, self) => (self.upgrade(request) ? undefined : new Response("", { status: 400 })),
  websocket: {
    perMessageDeflate: false,
    idleTimeout: 0,
    sendPings: false,
    backpressureLimit: 64 * 1024 * 1024,
    open: (ws) => void ws.subscribe("sheet"),
    message: () => {},
  },
});
console.log(JSON.stringify({ msg: "listening", url: `http://127.0.0.1:${port}` }));
listenForMessages(Number(publisherPort), (messages) => {
  for (const message of messages) server.publish("sheet", message);
});
