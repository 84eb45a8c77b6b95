/** Ready bytes for the load generator: what a client of each kind sends, and the files that carry it. */

export type Step = { readonly send: Buffer; readonly wait: Buffer | string };

/** (u32 length, bytes)* */
export const asFile = (blobs: readonly (Buffer | string)[]): Buffer =>
  Buffer.concat(
    blobs.flatMap((blob) => {
      const bytes = Buffer.from(blob);
      const length = Buffer.alloc(4);
      length.writeUInt32LE(bytes.length);
      return [length, bytes];
    }),
  );
export const stepsFile = (steps: readonly Step[]): Buffer => asFile(steps.flatMap(({ send, wait }) => [send, wait]));

/** The upgrade of a WebSocket; its answer is waited for by the load generator itself. */
export function upgrade(path: string, subprotocol?: string): Step {
  const lines = [
    `GET ${path} HTTP/1.1`,
    "Host: 127.0.0.1",
    "Upgrade: websocket",
    "Connection: Upgrade",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Version: 13",
    ...(subprotocol === undefined ? [] : [`Sec-WebSocket-Protocol: ${subprotocol}`]),
  ];
  return { send: Buffer.from(`${lines.join("\r\n")}\r\n\r\n`), wait: "" };
}

/** A client's frame, masked with zeros: allowed, and the bytes stay as they are. */
export function clientFrame(payload: string | Buffer, opcode: 1 | 2 = 1): Buffer {
  const body = Buffer.from(payload);
  const head =
    body.length < 126
      ? Buffer.from([0x80 | opcode, 0x80 | body.length])
      : Buffer.from([0x80 | opcode, 0x80 | 126, body.length >> 8, body.length & 255]);
  return Buffer.concat([head, Buffer.alloc(4), body]);
}

/** A command in Redis's protocol. */
export const redisCommand = (...words: readonly string[]): Buffer =>
  Buffer.from(`*${words.length}\r\n${words.map((word) => `$${Buffer.byteLength(word)}\r\n${word}\r\n`).join("")}`);

/** Packets of MQTT 3.1.1. */
const mqttText = (text: string): Buffer => {
  const length = Buffer.alloc(2);
  length.writeUInt16BE(Buffer.byteLength(text));
  return Buffer.concat([length, Buffer.from(text)]);
};
function mqttPacket(type: number, body: Buffer): Buffer {
  const length: number[] = [];
  for (let left = body.length; ;) {
    const more = left >= 128;
    length.push((left & 127) | (more ? 128 : 0));
    left >>= 7;
    if (!more) break;
  }
  return Buffer.concat([Buffer.from([type, ...length]), body]);
}
/** A clean session without a name of its own; kept alive for ten hours. */
export const mqttConnect = (): Buffer =>
  mqttPacket(0x10, Buffer.concat([mqttText("MQTT"), Buffer.from([4, 2, 0x8c, 0xa0]), mqttText("")]));
export const mqttSubscribe = (topic: string): Buffer =>
  mqttPacket(0x82, Buffer.concat([Buffer.from([0, 1]), mqttText(topic), Buffer.from([0])]));
export const mqttPublish = (topic: string, message: string): Buffer =>
  mqttPacket(0x30, Buffer.concat([mqttText(topic), Buffer.from(message)]));
