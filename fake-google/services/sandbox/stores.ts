/** Properties, cache and locks: what scripts keep, and how they wait for each other. */
import { ask, exception, needScope, object } from "./host.ts";

function properties(store: "script" | "document" | "user") {
  const call = (op: string, args: object = {}): unknown => ask(`properties.${op}`, { store, ...args });
  const self = object("Properties", {
    getProperty: (key: string) => call("get", { key: String(key) }) as string | null,
    getProperties: () => call("all") as Record<string, string>,
    getKeys: () => Object.keys(call("all") as Record<string, string>),
    setProperty: (key: string, value: string) => {
      call("set", { values: { [String(key)]: String(value) } });
      return self;
    },
    setProperties: (values: Record<string, string>, deleteAllOthers = false) => {
      const strings: Record<string, string> = {};
      for (const key of Object.keys(values)) strings[key] = String(values[key]);
      call("set", { values: strings, deleteAllOthers });
      return self;
    },
    deleteProperty: (key: string) => {
      call("delete", { key: String(key) });
      return self;
    },
    deleteAllProperties: () => {
      call("deleteAll");
      return self;
    },
  });
  return self;
}

const guarded = (call: string, store: "script" | "document" | "user") => () => {
  needScope(call, [], "LIMITED");
  return properties(store);
};

export const PropertiesService = object("PropertiesService", {
  getScriptProperties: guarded("PropertiesService.getScriptProperties", "script"),
  getDocumentProperties: guarded("PropertiesService.getDocumentProperties", "document"),
  getUserProperties: guarded("PropertiesService.getUserProperties", "user"),
});

function cache(store: "script" | "document" | "user") {
  const call = (op: string, args: object): unknown => ask(`cache.${op}`, { store, ...args });
  return object("Cache", {
    get: (key: string) => call("get", { keys: [key] }) as never as string | null,
    getAll: (keys: string[]) => call("getAll", { keys }) as Record<string, string>,
    put: (key: string, value: string, expirationInSeconds = 600) => {
      call("put", { values: { [key]: String(value) }, seconds: expirationInSeconds });
    },
    putAll: (values: Record<string, string>, expirationInSeconds = 600) => {
      call("put", { values, seconds: expirationInSeconds });
    },
    remove: (key: string) => {
      call("remove", { keys: [key] });
    },
    removeAll: (keys: string[]) => {
      call("remove", { keys });
    },
  });
}

export const CacheService = object("CacheService", {
  getScriptCache: () => cache("script"),
  getDocumentCache: () => cache("document"),
  getUserCache: () => cache("user"),
});

function lock(scope: "script" | "document" | "user") {
  const tryLock = (timeoutInMillis: number): boolean =>
    ask("lock.try", { scope, timeoutMs: Number(timeoutInMillis) }) === true;
  return object("Lock", {
    tryLock,
    waitLock: (timeoutInMillis: number) => {
      if (!tryLock(timeoutInMillis))
        throw exception("Lock timeout: another process was holding the lock for too long.");
    },
    hasLock: () => ask("lock.has", { scope }) === true,
    releaseLock: () => {
      ask("lock.release", { scope });
    },
  });
}

export const LockService = object("LockService", {
  getScriptLock: () => lock("script"),
  getDocumentLock: () => lock("document"),
  getUserLock: () => lock("user"),
});
