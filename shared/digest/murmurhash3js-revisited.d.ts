/** The independent implementation that the digests are tested against; it comes without types. */
declare module "murmurhash3js-revisited" {
  export const x86: { hash128(bytes: readonly number[], seed: number): string };
}
