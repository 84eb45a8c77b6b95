/**
 * MurmurHash3 x86 128 over the UTF-16 code units of a string (little endian, as they lie in memory), first 64 bits.
 * Source: A. Appleby, MurmurHash3.cpp (public domain, https://github.com/aappleby/smhasher). Only 32-bit integer
 * arithmetic, so that Apps Script, Node and browsers agree. It recognises equal rows; it keeps no secret.
 */
import type { Digest } from "./digest.ts";

const C1 = 0x239b961b;
const C2 = 0xab0e9789;
const C3 = 0x38b34ae5;
const C4 = 0xa1e38b93;

export function murmur128(text: string, seed: number): Digest {
  let h1 = seed | 0;
  let h2 = seed | 0;
  let h3 = seed | 0;
  let h4 = seed | 0;
  const units = text.length;
  const whole = units - (units % 8);
  let at = 0;
  for (; at < whole; at += 8) {
    let k1 = text.charCodeAt(at) | (text.charCodeAt(at + 1) << 16);
    let k2 = text.charCodeAt(at + 2) | (text.charCodeAt(at + 3) << 16);
    let k3 = text.charCodeAt(at + 4) | (text.charCodeAt(at + 5) << 16);
    let k4 = text.charCodeAt(at + 6) | (text.charCodeAt(at + 7) << 16);
    k1 = Math.imul(k1, C1);
    k1 = Math.imul((k1 << 15) | (k1 >>> 17), C2);
    h1 ^= k1;
    h1 = (h1 << 19) | (h1 >>> 13);
    h1 = (Math.imul(h1 + h2, 5) + 0x561ccd1b) | 0;
    k2 = Math.imul(k2, C2);
    k2 = Math.imul((k2 << 16) | (k2 >>> 16), C3);
    h2 ^= k2;
    h2 = (h2 << 17) | (h2 >>> 15);
    h2 = (Math.imul(h2 + h3, 5) + 0x0bcaa747) | 0;
    k3 = Math.imul(k3, C3);
    k3 = Math.imul((k3 << 17) | (k3 >>> 15), C4);
    h3 ^= k3;
    h3 = (h3 << 15) | (h3 >>> 17);
    h3 = (Math.imul(h3 + h4, 5) + 0x96cd1c35) | 0;
    k4 = Math.imul(k4, C4);
    k4 = Math.imul((k4 << 18) | (k4 >>> 14), C1);
    h4 ^= k4;
    h4 = (h4 << 13) | (h4 >>> 19);
    h4 = (Math.imul(h4 + h1, 5) + 0x32ac3b17) | 0;
  }
  const left = units - whole;
  if (left > 0) {
    const unit = (offset: number): number => (offset < left ? text.charCodeAt(whole + offset) : 0);
    if (left > 6) {
      let k4 = unit(6) | (unit(7) << 16);
      k4 = Math.imul(k4, C4);
      h4 ^= Math.imul((k4 << 18) | (k4 >>> 14), C1);
    }
    if (left > 4) {
      let k3 = unit(4) | (unit(5) << 16);
      k3 = Math.imul(k3, C3);
      h3 ^= Math.imul((k3 << 17) | (k3 >>> 15), C4);
    }
    if (left > 2) {
      let k2 = unit(2) | (unit(3) << 16);
      k2 = Math.imul(k2, C2);
      h2 ^= Math.imul((k2 << 16) | (k2 >>> 16), C3);
    }
    let k1 = unit(0) | (unit(1) << 16);
    k1 = Math.imul(k1, C1);
    h1 ^= Math.imul((k1 << 15) | (k1 >>> 17), C2);
  }
  const bytes = units * 2;
  h1 ^= bytes;
  h2 ^= bytes;
  h3 ^= bytes;
  h4 ^= bytes;
  h1 = (h1 + h2 + h3 + h4) | 0;
  h2 = (h2 + h1) | 0;
  h3 = (h3 + h1) | 0;
  h4 = (h4 + h1) | 0;
  h1 = mix(h1);
  h2 = mix(h2);
  h3 = mix(h3);
  h4 = mix(h4);
  h1 = (h1 + h2 + h3 + h4) | 0;
  h2 = (h2 + h1) | 0;
  return { high: h1 >>> 0, low: h2 >>> 0 };
}

/** The 32-bit finalizer of MurmurHash3: every bit of the input reaches every bit of the output. */
export function mix(h: number): number {
  h ^= h >>> 16;
  h = Math.imul(h, 0x85ebca6b);
  h ^= h >>> 13;
  h = Math.imul(h, 0xc2b2ae35);
  return h ^ (h >>> 16);
}
