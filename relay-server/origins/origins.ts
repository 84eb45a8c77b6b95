/** Which addresses the relay calls. A web app's address arrives in a post, so it is somebody else's word. */

/** Whether a web app at this address may be called. Only https, and http on this machine alone. */
export function mayCall(address: string, origins: readonly string[]): boolean {
  if (!URL.canParse(address)) return false;
  const url = new URL(address);
  return isGuarded(url) && origins.includes(url.origin) && url.username === "" && url.password === "";
}

/** Whether a redirect may be followed: to a named host over https, and to this machine only from this machine. */
export function mayFollow(from: URL, to: URL): boolean {
  if (to.username !== "" || to.password !== "") return false;
  return isLoopback(from) ? isLoopback(to) : to.protocol === "https:" && hasDomain(to);
}

/** Nothing can come between on the way to this machine itself; everywhere else the way is encrypted. */
export const isGuarded = (url: URL): boolean =>
  url.protocol === "https:" || (url.protocol === "http:" && isLoopback(url));

/** Whether this address names this machine. (`URL` has brought an IPv4 address to its plain form.) */
export const isLoopback = ({ hostname }: URL): boolean =>
  hostname === "localhost" || hostname === "[::1]" || /^127\.\d+\.\d+\.\d+$/.test(hostname);

/** A host of the network at large: neither an address nor a name that means something in one place only. */
const hasDomain = ({ hostname }: URL): boolean => /\.[a-z][a-z\d-]*$/i.test(hostname);
