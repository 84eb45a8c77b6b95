/** A stand-in for Google: spreadsheets that people edit, and the scripts bound to them. */
import { join } from "node:path";
import { createControl } from "./control/control.ts";
import { createPage } from "./page/page.ts";
import { createWorld, type World } from "./world/world.ts";

export type FakeGoogleOptions = {
  /** Of the control API; 0 is any. */
  readonly port?: number;
  /** Of the sheets, over HTTPS. */
  readonly sheetsPort?: number;
  readonly host?: string;
  /** Where the built script lies: Code.js, its HTML files and appsscript.json. */
  readonly bundleDir?: string;
  readonly profile?: string;
  /** Of the profile `hostile`. */
  readonly seed?: number;
  readonly warm?: number;
  readonly now?: () => number;
  readonly random?: () => number;
  /** Told of each moment that a shared virtual time comes to, and of its end. */
  readonly onShared?: (now: number | undefined) => void;
};

export type FakeGoogle = {
  readonly url: string;
  readonly sheetsUrl: string;
  /** SHA-256 of the certificate's public key, as `--ignore-certificate-errors-spki-list` takes it. */
  readonly spki: string;
  /** For tests in the same process: gates, projects, the clock. */
  readonly world: World;
  stop(): Promise<void>;
};

export const defaultBundleDir = join(import.meta.dirname, "..", "apps-script", "dist");

/** Starts it; everything listens when this has resolved. */
export async function createFakeGoogle(options: FakeGoogleOptions = {}): Promise<FakeGoogle> {
  const host = options.host ?? "127.0.0.1";
  let sheetsUrl = "";
  const world = await createWorld(
    {
      bundleDir: options.bundleDir ?? defaultBundleDir,
      profile: options.profile ?? "normal",
      seed: options.seed,
      warm: options.warm ?? 3,
      now: options.now ?? Date.now,
      random: options.random ?? Math.random,
      onShared: options.onShared,
    },
    { sheetsUrl: () => sheetsUrl },
  );
  const control = createControl(world);
  const page = await createPage(world);
  try {
    sheetsUrl = await page.listen(host, options.sheetsPort ?? 0);
    const url = await control.listen({ host, port: options.port ?? 0 });
    return {
      url,
      sheetsUrl,
      spki: page.spki,
      world,
      stop: async () => {
        await Promise.all([control.close(), page.stop()]);
        await world.stop();
      },
    };
  } catch (error) {
    await Promise.allSettled([control.close(), page.stop(), world.stop()]);
    throw error;
  }
}
