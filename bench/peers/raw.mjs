// Raw net sockets with a frame built once: one write a message, or, with "turn", one for all messages of a turn.
import { createServer } from "node:net";
import { listenForMessages } from "./publisher-port.mjs";

const [port = "0", publisherPort = "0", mode = "each"] = process.argv.slice(2);
const sockets = new Set();
createServer((socket) => {
  socket.setNoDelay(true);
  socket.once("data", () => {
    // The load generator does not look at the hash of the upgrade.
    socket.write("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n");
    sockets.add(socket);
    socket.on("data", () => {});
  });
  socket.on("close", () => sockets.delete(socket));
  socket.on("error", () => socket.destroy());
}).listen(Number(port), "127.0.0.1", 4096, () =>
  console.log(JSON.stringify({ msg: "listening", url: `http://127.0.0.1:${port}` })),
);

function frameOf(message) {
  const body = Buffer.from(message);
  const head =
    body.length < 126
      ? Buffer.from([0x81, body.length])
      : body.length < 65_536
        ? Buffer.from([0x81, 126, body.length >> 8, body.length & 255])
        : undefined;
  if (head) return Buffer.concat([head, body]);
  const long = Buffer.alloc(10);
  long[0] = 0x81;
  long[1] = 127;
  long.writeBigUInt64BE(BigInt(body.length), 2);
  return Buffer.concat([long, body]);
}

listenForMessages(Number(publisherPort), (messages) => {
  const frames = mode === "turn" ? [Buffer.concat(messages.map(frameOf))] : messages.map(frameOf);
  for (const frame of frames) for (const socket of sockets) socket.write(frame);
});
