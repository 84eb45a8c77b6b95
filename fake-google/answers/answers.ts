/** What Google's servers do behind the services: keep, lock, forget and fetch. */
export { createCache, createLock, createProperties } from "./stores.ts";
export { answerFetch, replyForAll } from "./fetch.ts";
