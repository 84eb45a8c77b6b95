/** What tests ask of the stand-in for Google, over its control API. */
export type ControlCell =
  | null
  | boolean
  | number
  | string
  | { v: null | boolean | number | string; f?: string; d?: string; e?: string };
export type Action = { action: string; sheetId?: number; as?: string } & Record<string, unknown>;
export type Rows = { rows: ControlCell[][]; usedRows: number; usedColumns: number };

export type Control = {
  create: (
    spreadsheet: unknown,
  ) => Promise<{ spreadsheetId: string; sheets: { sheetId: number; title: string }[]; editUrl: string }>;
  load: (
    dataset: string,
  ) => Promise<{ spreadsheetId: string; sheets: { sheetId: number; title: string }[]; editUrl: string }>;
  act: (spreadsheetId: string, actions: readonly Action[]) => Promise<void>;
  sheets: (spreadsheetId: string) => Promise<{ sheetId: number; title: string }[]>;
  rows: (spreadsheetId: string, sheetId: number) => Promise<Rows>;
  connect: (spreadsheetId: string, connectionString: string) => Promise<unknown>;
  /** Deploys the script as a web app. */
  deploy: (spreadsheetId: string) => Promise<{ deploymentId: string; url: string }>;
  /** Calls a function of the script as its panel does. */
  run: (spreadsheetId: string, name: string) => Promise<unknown>;
  idle: (spreadsheetId: string) => Promise<void>;
  usage: (spreadsheetId: string) => Promise<Record<string, number>>;
  resetUsage: () => Promise<void>;
  advance: (ms: number) => Promise<void>;
  executions: (spreadsheetId: string) => Promise<{ function: string; status: string; error?: string }[]>;
};

export function controlOf(url: string): Control {
  async function call(method: string, path: string, body?: unknown): Promise<never> {
    const response = await fetch(`${url}/control${path}`, {
      method,
      ...(body === undefined ? {} : { body: JSON.stringify(body), headers: { "content-type": "application/json" } }),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`${method} /control${path} answered ${response.status}: ${text.slice(0, 500)}`);
    return (text === "" ? undefined : JSON.parse(text)) as never;
  }
  return {
    create: (spreadsheet) => call("POST", "/spreadsheets", spreadsheet),
    load: (dataset) => call("POST", "/data", { dataset }),
    act: (spreadsheetId, actions) => call("POST", `/spreadsheets/${spreadsheetId}/actions`, actions),
    sheets: async (spreadsheetId) => {
      const { sheets } = (await call("GET", `/spreadsheets/${spreadsheetId}`)) as Awaited<
        ReturnType<Control["create"]>
      >;
      return sheets;
    },
    rows: (spreadsheetId, sheetId) => call("GET", `/spreadsheets/${spreadsheetId}/sheets/${sheetId}/rows`),
    connect: (spreadsheetId, connectionString) =>
      call("POST", `/spreadsheets/${spreadsheetId}/connect`, { connectionString }).catch(async (error: unknown) => {
        // The script tells the person a code, and Google's executions page where it was.
        const executions = await call("GET", `/spreadsheets/${spreadsheetId}/executions`);
        throw new Error(`${String(error)} Executions: ${JSON.stringify(executions).slice(-2_000)}`);
      }),
    deploy: (spreadsheetId) => call("POST", `/spreadsheets/${spreadsheetId}/deployments`),
    run: (spreadsheetId, name) => call("POST", `/spreadsheets/${spreadsheetId}/run`, { function: name }),
    idle: (spreadsheetId) => call("GET", `/spreadsheets/${spreadsheetId}/idle?timeoutMs=30000`),
    usage: (spreadsheetId) => call("GET", `/usage?spreadsheetId=${spreadsheetId}`),
    resetUsage: () => call("POST", "/usage/reset"),
    advance: (advanceMs) => call("POST", "/clock", { advanceMs }),
    executions: (spreadsheetId) => call("GET", `/spreadsheets/${spreadsheetId}/executions`),
  };
}
