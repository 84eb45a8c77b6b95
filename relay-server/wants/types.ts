export { readAtSchema } from "@sheetwire/shared/protocol";
export type { Post, ReadAt, Reading, ReadingOf, Want } from "@sheetwire/shared/protocol";
export type { Digest } from "@sheetwire/shared/digest";
