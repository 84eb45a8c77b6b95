/** What the load generator is asked to do, as its arguments and files. */
import { asFile, stepsFile, type Step } from "./bytes.ts";
import type { Load, Workshop } from "./processes.ts";

export type Loading = {
  /** The server's process, or all of them, for their CPU time. */
  readonly pid: number | readonly number[];
  readonly watch?: {
    readonly port: number;
    readonly count: number;
    readonly framing: "ws" | "raw";
    readonly steps: readonly Step[];
    readonly keepalive?: Buffer | undefined;
    /** The seq that `until` waits for. */
    readonly until?: number;
  };
  readonly publish?: {
    readonly port: number;
    readonly connections: number;
    /** `http` and `answered` (a line, as Redis) wait for an answer on each connection; `raw` does not. */
    readonly as: "http" | "answered" | "raw";
    readonly requests: readonly (Buffer | string)[];
    readonly hello?: Buffer | undefined;
  };
  /** A command before it. */
  readonly within?: readonly string[] | undefined;
};

export function startLoad(workshop: Workshop, { pid, watch, publish, within }: Loading): Promise<Load> {
  const options: Record<string, string | number | undefined> = {
    server: String(pid),
    port: watch?.port ?? 0,
    watchers: watch?.count ?? 0,
    framing: watch?.framing,
    steps: watch && workshop.file("steps", stepsFile(watch.steps)),
    keepalive: watch?.keepalive && workshop.file("keepalive", watch.keepalive),
    until: watch?.until,
    "pub-port": publish?.port,
    "pub-conns": publish?.connections,
    pub: publish?.as,
    requests: publish && workshop.file("requests", asFile(publish.requests)),
    "pub-hello": publish?.hello && workshop.file("hello", publish.hello),
  };
  const args = Object.entries(options).flatMap(([name, value]) =>
    value === undefined ? [] : [`--${name}`, String(value)],
  );
  return workshop.load(args, within);
}
