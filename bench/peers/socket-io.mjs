// socket.io with connection state recovery, WebSocket transport only.
import { createServer } from "node:http";
import { Server } from "socket.io";
import { listenForMessages } from "./publisher-port.mjs";

const [port = "0", publisherPort = "0"] = process.argv.slice(2);
const http = createServer();
const io = new Server(http, {
  transports: ["websocket"],
  perMessageDeflate: false,
  pingInterval: 600_000,
  pingTimeout: 600_000,
  connectionStateRecovery: { maxDisconnectionDuration: 120_000 },
});
io.on("connection", (socket) => void socket.join("sheet"));
http.listen(Number(port), "127.0.0.1", 4096, () =>
  console.log(JSON.stringify({ msg: "listening", url: `http://127.0.0.1:${port}` })),
);
listenForMessages(Number(publisherPort), (messages) => {
  for (const message of messages) io.to("sheet").emit("changes", JSON.parse(message));
});
