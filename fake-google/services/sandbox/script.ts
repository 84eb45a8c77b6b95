import { ask, enumOf, exception, needScope, object, run } from "./host.ts";

type TriggerFacts = { uid: string; handler: string; eventType: string; source: string; sourceId: string | null };
type Plan = { handler: string; eventType: string; everyMinutes?: number; afterMs?: number };

const authModes = enumOf(["NONE", "CUSTOM_FUNCTION", "LIMITED", "FULL"]);
const eventTypes = enumOf(["CLOCK", "ON_OPEN", "ON_EDIT", "ON_FORM_SUBMIT", "ON_CHANGE", "ON_EVENT_UPDATED"]);
const sources = enumOf(["SPREADSHEETS", "CLOCK", "FORMS", "DOCUMENTS", "CALENDAR"]);
const statuses = enumOf(["REQUIRED", "NOT_REQUIRED"]);
const weekDays = enumOf(["MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY", "SATURDAY", "SUNDAY"]);
const scope = ["script.scriptapp"];

export const authMode = (): (typeof authModes)[string] | undefined => authModes[run().authMode];

function trigger(facts: TriggerFacts) {
  const self = object("Trigger", {
    getUniqueId: () => facts.uid,
    getHandlerFunction: () => facts.handler,
    getEventType: () => eventTypes[facts.eventType],
    getTriggerSource: () => sources[facts.source],
    getTriggerSourceId: () => facts.sourceId,
  });
  return self;
}

const create = (plan: Plan) => trigger(ask("triggers.create", plan) as TriggerFacts);

const minutes = [1, 5, 10, 15, 30];
const hours = [1, 2, 4, 6, 8, 12];

function newTrigger(handler: string) {
  needScope("ScriptApp.newTrigger", scope);
  const name = String(handler);
  const onSpreadsheet = (eventType: string) => () =>
    object("SpreadsheetTriggerBuilder", { create: () => create({ handler: name, eventType }) });
  const clock = (everyMinutes: number) =>
    object("ClockTriggerBuilder", { create: () => create({ handler: name, eventType: "CLOCK", everyMinutes }) });
  const once = (afterMs: number) =>
    object("ClockTriggerBuilder", { create: () => create({ handler: name, eventType: "CLOCK", afterMs }) });
  return object("TriggerBuilder", {
    forSpreadsheet: (target: { getId(): string } | string) => {
      const id = typeof target === "string" ? target : target.getId();
      if (id !== run().spreadsheetId) throw exception("Requested entity was not found.");
      return object("SpreadsheetTriggerBuilder", {
        onEdit: onSpreadsheet("ON_EDIT"),
        onChange: onSpreadsheet("ON_CHANGE"),
        onOpen: onSpreadsheet("ON_OPEN"),
        onFormSubmit: onSpreadsheet("ON_FORM_SUBMIT"),
      });
    },
    timeBased: () =>
      object("ClockTriggerBuilder", {
        everyMinutes: (n: number) => {
          if (!minutes.includes(n))
            throw exception(`The value you passed to everyMinutes was invalid. It must be one of 1, 5, 10, 15 or 30.`);
          return clock(n);
        },
        everyHours: (n: number) => {
          if (!hours.includes(n))
            throw exception("The value you passed to everyHours was invalid. It must be one of 1, 2, 4, 6, 8 or 12.");
          return clock(n * 60);
        },
        everyDays: (n: number) => clock(n * 1440),
        everyWeeks: (n: number) => clock(n * 10_080),
        after: (ms: number) => once(ms),
        at: (date: Date) => once(date.getTime() - Date.now()),
      }),
  });
}

function authorizationInfo(missing: boolean) {
  return object("AuthorizationInfo", {
    getAuthorizationStatus: () => statuses[missing ? "REQUIRED" : "NOT_REQUIRED"],
    getAuthorizationUrl: () => (missing ? "https://script.google.com/authorize" : null),
  });
}

const missingOf = (wanted: readonly string[]): string[] => {
  const { scopes } = run();
  return scopes === undefined ? [] : wanted.filter((one) => !scopes.includes(one));
};

export const ScriptApp = object("ScriptApp", {
  AuthMode: authModes,
  EventType: eventTypes,
  TriggerSource: sources,
  AuthorizationStatus: statuses,
  WeekDay: weekDays,
  newTrigger,
  getProjectTriggers: () => {
    needScope("ScriptApp.getProjectTriggers", scope);
    return (ask("triggers.list") as TriggerFacts[]).map(trigger);
  },
  getUserTriggers: () => {
    needScope("ScriptApp.getUserTriggers", scope);
    return (ask("triggers.list") as TriggerFacts[]).map(trigger);
  },
  deleteTrigger: (one: { getUniqueId(): string }) => {
    needScope("ScriptApp.deleteTrigger", scope);
    ask("triggers.delete", { uid: one.getUniqueId() });
  },
  getService: () =>
    object("Service", { getUrl: () => run().webAppUrl ?? null, isEnabled: () => run().webAppUrl !== undefined }),
  getAuthorizationInfo: () => authorizationInfo(run().authMode !== "FULL"),
  requireScopes: (_mode: unknown, wanted: readonly string[]) => {
    if (missingOf(wanted).length > 0) throw exception("Authorization is required to perform that action.");
  },
  requireAllScopes: () => undefined,
  getScriptId: () => `script-${run().spreadsheetId}`,
  getOAuthToken: () => "",
});

const user = (email: string) => object(email, { getEmail: () => email, getUserLoginId: () => email });

export const Session = object("Session", {
  getEffectiveUser: () => user(run().effectiveUser),
  getActiveUser: () => user(run().activeUser),
  getTemporaryActiveUserKey: () => run().temporaryUserKey,
  getScriptTimeZone: () => run().scriptTimeZone,
  getActiveUserLocale: () => run().locale.slice(0, 2),
});
