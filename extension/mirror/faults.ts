/** Changes came that do not follow on what is held. */
export class GapError extends Error {
  override readonly name = "GapError";
}

/** The copy's own digest differs from the one with which the relay proved a window, or its blocks cannot be read. */
export class MismatchError extends Error {
  override readonly name = "MismatchError";
}
