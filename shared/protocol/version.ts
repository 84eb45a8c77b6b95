/** The version of everything in this room. The wire snapshot fails when the wire changes and this does not. */
export const PROTOCOL_VERSION = 1;

/** The oldest version that the relay still serves: n and n-1. */
export const OLDEST_PROTOCOL_VERSION = 1;
