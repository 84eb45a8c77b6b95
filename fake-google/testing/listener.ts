/** A small HTTP server that keeps what scripts send it, for tests. */
import { createServer, type IncomingHttpHeaders } from "node:http";
import type { AddressInfo } from "node:net";

export type Heard = {
  readonly body: string;
  readonly headers: IncomingHttpHeaders;
  readonly method: string;
  readonly path: string;
};

export async function listen(
  answer: (heard: Heard) => { status: number; text: string } = () => ({ status: 202, text: "{}" }),
) {
  const heard: Heard[] = [];
  const watchers = new Set<() => void>();
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const one = {
        body: Buffer.concat(chunks).toString("utf8"),
        headers: request.headers,
        method: request.method ?? "",
        path: request.url ?? "",
      };
      heard.push(one);
      const { status, text } = answer(one);
      response.writeHead(status, { "content-type": "application/json; charset=utf-8" }).end(text);
      for (const watcher of watchers) watcher();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    heard,
    json: (): Record<string, unknown>[] => heard.map(({ body }) => JSON.parse(body) as Record<string, unknown>),
    /** Resolves once so many requests have come. */
    until: async (count: number): Promise<void> => {
      while (heard.length < count) {
        await new Promise<void>((resolve) => {
          const done = (): void => {
            watchers.delete(done);
            resolve();
          };
          watchers.add(done);
        });
      }
    },
    stop: (): Promise<void> =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
}

export type Listener = Awaited<ReturnType<typeof listen>>;
