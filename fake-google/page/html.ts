/** The two documents: the sheet's page, and the frame in which a script's own page stands. */

export function pageHtml(facts: { nonce: string; user: string; id: string; title: string }): string {
  const data = JSON.stringify({ id: facts.id, user: facts.user, nonce: facts.nonce }).replaceAll("<", "\\u003c");
  return `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escaped(facts.title)} - Google Sheets (stand-in)</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="/-/assets/page.css">
</head>
<body>
<div id="app"></div>
<script type="application/json" id="facts" nonce="${facts.nonce}">${data}</script>
<script nonce="${facts.nonce}" src="/-/assets/page.js"></script>
</body>
</html>`;
}

/** The page of a script, with `google.script` before everything else in it. */
export function frameHtml(html: string, frame: string): string {
  const bridge = `<script>(${bridgeInFrame.toString()})(${JSON.stringify(frame)})</script>`;
  const head = /<head[^>]*>/i.exec(html);
  return head
    ? html.slice(0, head.index + head[0].length) + bridge + html.slice(head.index + head[0].length)
    : bridge + html;
}

/** Runs in the frame, as text: it may use nothing from around it. */
function bridgeInFrame(frame: string): void {
  type Handlers = {
    success?: (result: unknown, userObject?: unknown) => void;
    failure?: (error: Error, userObject?: unknown) => void;
    userObject?: unknown;
  };
  const scope = globalThis as unknown as Record<string, unknown> & {
    parent: { postMessage(message: unknown, target: string): void };
    fetch(url: string, init: object): Promise<{ json(): Promise<{ result?: unknown; error?: string }> }>;
  };
  const maxAtOnce = 10;
  let running = 0;
  const queue: (() => void)[] = [];
  const next = (): void => {
    while (running < maxAtOnce) {
      const start = queue.shift();
      if (!start) return;
      running++;
      start();
    }
  };
  const refuse = (value: unknown): void => {
    if (typeof value === "function" || Object.prototype.toString.call(value) === "[object Date]")
      throw new TypeError("Failed due to illegal value in property");
    if (typeof value === "object" && value !== null) for (const one of Object.values(value)) refuse(one);
  };
  const call = (name: string, args: unknown[], handlers: Handlers): void => {
    refuse(args);
    const body = JSON.stringify({ name, args });
    const fail = (message: string): void => handlers.failure?.(new Error(message), handlers.userObject);
    queue.push(() => {
      void scope
        .fetch(`/run/${frame}`, { method: "POST", headers: { "content-type": "application/json" }, body })
        .then((response) => response.json())
        .then(
          (answer) =>
            answer.error === undefined ? handlers.success?.(answer.result, handlers.userObject) : fail(answer.error),
          () => fail("NetworkError: Connection failure due to HTTP 0"),
        )
        .finally(() => {
          running--;
          next();
        });
    });
    next();
  };
  const runner = (handlers: Handlers): object =>
    new Proxy(
      {},
      {
        get: (_target, property) => {
          const name = String(property);
          if (name === "withSuccessHandler")
            return (success: Handlers["success"]) => runner({ ...handlers, ...(success ? { success } : {}) });
          if (name === "withFailureHandler")
            return (failure: Handlers["failure"]) => runner({ ...handlers, ...(failure ? { failure } : {}) });
          if (name === "withUserObject") return (userObject: unknown) => runner({ ...handlers, userObject });
          return (...args: unknown[]) => call(name, args, handlers);
        },
      },
    );
  const tell = (message: string) => () => scope.parent.postMessage({ fakeGoogle: message, frame }, "*");
  const host = {
    close: tell("close"),
    editor: { focus: tell("focus") },
    setHeight: () => undefined,
    setWidth: () => undefined,
    origin: "https://docs.google.com",
  };
  scope["google"] = {
    script: {
      run: runner({}),
      host,
      url: { getLocation: (done: (at: object) => void) => done({ hash: "", parameter: {}, parameters: {} }) },
    },
  };
}

const escaped = (text: string): string => text.replaceAll(/[&<>"']/g, (mark) => `&#${mark.codePointAt(0)};`);
