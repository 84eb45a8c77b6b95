import type { ConfigEnv, UserManifest } from "wxt";

/** Which browser, and whether for development: all that the manifest depends on. */
export type ManifestEnv = Pick<ConfigEnv, "browser" | "command">;

/**
 * What the extension asks of the browser, and why:
 *
 * - `storage`: the relay's address and the token of each spreadsheet.
 * - `unlimitedStorage`: the mirror of a big sheet is larger than a page's share, and must not be evicted.
 * - `alarms`: to redial after the browser has ended the background.
 * - `sidePanel` is added by WXT for Chrome. There are no host permissions: sockets need none, and the relay answers
 *   fetches with CORS headers.
 */
export function manifest(env: ManifestEnv): UserManifest {
  // The dev server's own socket; never in what is shipped.
  const development = env.command === "serve" ? " http://localhost:3000 ws://localhost:3000" : "";
  const common: UserManifest = {
    name: "Sheetwire",
    description:
      "Live sync for Google Sheets™ through your own relay: see each edit, keep a copy that is proven equal.",
    permissions: ["storage", "unlimitedStorage", "alarms"],
    content_security_policy: {
      // Explicit, because Firefox's default policy turns ws:// into wss://. The relay is the user's own choice, so its
      // origin cannot be named; unencrypted connections are possible to this machine only.
      extension_pages: [
        "default-src 'self'",
        "script-src 'self'",
        "style-src 'self'",
        "object-src 'none'",
        "base-uri 'none'",
        `connect-src 'self' https: wss: http://127.0.0.1:* ws://127.0.0.1:*${development}`,
      ].join("; "),
    },
    action: { default_title: "Sheetwire" },
  };
  if (env.browser === "firefox") {
    return {
      ...common,
      browser_specific_settings: {
        gecko: {
          id: "sheetwire@sheetwire.example.org",
          strict_min_version: "142.0",
          // Cell values go to the relay that the user names.
          data_collection_permissions: { required: ["websiteContent"] },
        },
      },
    };
  }
  return { ...common, minimum_chrome_version: "148" };
}
