import { connect, createServer, type AddressInfo, type Socket } from "node:net";
import { afterEach, expect, test, vi } from "vitest";
import { soon } from "../testing/testing.ts";
import { createStallSweep, takenOf } from "./stalls.ts";

afterEach(() => void vi.useRealTimers());

test("one for whom bytes wait is ended when none were taken for so long, and nobody else", () => {
  vi.useFakeTimers();
  const made = (writableLength: number) => ({ writableLength, destroyed: false, bytesWritten: writableLength });
  const stuck = made(100);
  const idle = made(0);
  const slow = made(1_000);
  const gone = { ...made(100), destroyed: true };
  const open = new Set([stuck, idle, slow, gone]);
  const ended: unknown[] = [];
  const sweep = createStallSweep({
    open,
    socketOf: (one) => one,
    end: (one) => {
      ended.push(one);
      open.delete(one);
    },
    stalledMs: 70_000,
  });
  const pass = (ms: number): void => {
    for (let left = ms; left > 0; left -= 5_000) {
      vi.advanceTimersByTime(5_000);
      // More is written to it, and none of it is taken.
      stuck.writableLength += 10;
      stuck.bytesWritten += 10;
    }
  };
  pass(65_000);
  expect(ended).toEqual([]);
  for (let at = 0; at < 3; at += 1) {
    slow.writableLength -= 1;
    pass(65_000);
  }
  expect(ended).toEqual([stuck]);
  sweep.stop();
});

test("of one large write each part that was taken counts", async () => {
  const server = createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  const accepted = new Promise<Socket>((resolve) => server.once("connection", resolve));
  const client = connect((server.address() as AddressInfo).port, "127.0.0.1").pause();
  const socket = await accepted;
  expect(takenOf(socket)).toBeUndefined();
  let isTaken = false;
  socket.write(Buffer.alloc(64 * 1024 * 1024), () => (isTaken = true));
  // What the system holds for a reader is full, and stays so.
  let last: string | undefined;
  await vi.waitFor(
    () => {
      const before = last;
      last = takenOf(socket);
      expect(last).toBe(before);
    },
    { timeout: 10_000, interval: 300 },
  );
  expect(last).toBeDefined();
  let bytes = 0;
  client.on("data", (data) => {
    bytes += data.length;
    if (bytes > 16 * 1024 * 1024) client.pause();
  });
  client.resume();
  await soon(() => expect(takenOf(socket)).not.toBe(last));
  expect(isTaken).toBe(false);
  client.destroy();
  socket.destroy();
  server.close();
});
