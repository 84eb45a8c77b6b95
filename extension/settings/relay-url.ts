export type RelayUrl = { ok: true; url: string } | { ok: false; why: string };

/** Judges what a person typed as a relay's address; says in words what is wrong with it. */
export function readRelayUrl(text: string): RelayUrl {
  const typed = text.trim();
  if (typed === "") return { ok: false, why: "Enter the address of your relay, for example https://relay.example.org" };
  if (!URL.canParse(typed)) return { ok: false, why: "This is not a web address. It begins with https://" };
  const url = new URL(typed);
  if (url.username !== "" || url.password !== "") {
    return { ok: false, why: "Leave out the user name and password: the token below is the key." };
  }
  if (url.search !== "" || url.hash !== "") return { ok: false, why: "Leave out everything from “?” or “#” on." };
  if (url.protocol !== "https:" && !(url.protocol === "http:" && url.hostname === "127.0.0.1")) {
    return {
      ok: false,
      why: "The address begins with https://. Only a relay on this machine may use http://127.0.0.1",
    };
  }
  return { ok: true, url: url.href.replace(/\/+$/, "") };
}
