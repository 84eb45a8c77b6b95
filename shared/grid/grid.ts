/** What a sheet is made of: cells and their one way of being written, A1 names, and what a change does to rows. */
export * from "./cell.ts";
export * from "./a1.ts";
export * from "./runs.ts";
export * from "./model.ts";
