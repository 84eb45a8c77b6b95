// Plain `ws`, one send a client and message: what most programs do.
import { WebSocketServer } from "ws";
import { listenForMessages } from "./publisher-port.mjs";

const [port = "0", publisherPort = "0"] = process.argv.slice(2);
const server = new WebSocketServer(
  { port: Number(port), host: "127.0.0.1", backlog: 4096, perMessageDeflate: false },
  () => console.log(JSON.stringify({ msg: "listening", url: `http://127.0.0.1:${port}` })),
);
listenForMessages(Number(publisherPort), (messages) => {
  for (const message of messages) for (const client of server.clients) client.send(message);
});
