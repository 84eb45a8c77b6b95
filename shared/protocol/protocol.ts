/** The only place where the shape of a message is written. Every program takes its messages from here. */
export * from "./version.ts";
export * from "./cell.ts";
export * from "./grid-range.ts";
export * from "./sheet.ts";
export * from "./post.ts";
export * from "./want.ts";
export * from "./change.ts";
export * from "./facts.ts";
export * from "./refusal.ts";
export * from "./problem.ts";
export * from "./feed.ts";
export * from "./snapshot.ts";
export * from "./connection-string.ts";
