/** Bytes that are no block, or of a format that this version does not know. */
export class BrokenBlockError extends Error {
  override readonly name = "BrokenBlockError";
}
