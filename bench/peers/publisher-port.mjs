/** The port on which the Node and Bun peers are told what to send: (u32 length, message)*. */
import { createServer } from "node:net";

/** @param {number} port @param {(messages: string[]) => void} onTurn what one read brought */
export function listenForMessages(port, onTurn) {
  createServer((socket) => {
    let held = Buffer.alloc(0);
    socket.on("data", (data) => {
      const all = held.length > 0 ? Buffer.concat([held, data]) : data;
      const messages = [];
      let at = 0;
      while (all.length - at >= 4) {
        const length = all.readUInt32LE(at);
        if (all.length - at < 4 + length) break;
        messages.push(all.toString("utf8", at + 4, at + 4 + length));
        at += 4 + length;
      }
      held = all.subarray(at);
      if (messages.length > 0) onTurn(messages);
    });
    socket.on("error", () => socket.destroy());
  }).listen(port, "127.0.0.1");
}
