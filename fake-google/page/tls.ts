import { createHash, X509Certificate } from "node:crypto";
import { generate } from "selfsigned";

export type Certificate = { readonly key: string; readonly cert: string; readonly spki: string };

let made: Promise<Certificate> | undefined;

/** A certificate for the hosts this program stands in for; made once a process, kept nowhere. */
export function certificate(): Promise<Certificate> {
  made ??= make();
  return made;
}

async function make(): Promise<Certificate> {
  const names = ["docs.google.com", "script.google.com", "script.googleusercontent.com", "localhost"];
  const { private: key, cert } = await generate([{ name: "commonName", value: "docs.google.com" }], {
    keyType: "ec",
    curve: "P-256",
    algorithm: "sha256",
    extensions: [
      { name: "basicConstraints", cA: false },
      { name: "extKeyUsage", serverAuth: true },
      {
        name: "subjectAltName",
        altNames: [...names.map((value) => ({ type: 2 as const, value })), { type: 7 as const, ip: "127.0.0.1" }],
      },
    ],
  });
  const spki = new X509Certificate(cert).publicKey.export({ type: "spki", format: "der" });
  return { key, cert, spki: createHash("sha256").update(spki).digest("base64") };
}
