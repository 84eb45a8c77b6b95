/** The panel inside Google Sheets: how the wire is, asked again every 15 seconds while somebody can see it. */
import { callScript, part, type Answer } from "./server.ts";

const everyMs = 15_000;

const box = part("status", HTMLDivElement);
const headline = part("headline", HTMLParagraphElement);
const detail = part("detail", HTMLParagraphElement);
const asked = part("asked", HTMLParagraphElement);
const check = part("check", HTMLButtonElement);
const connect = part("connect", HTMLButtonElement);
const disconnect = part("disconnect", HTMLButtonElement);

let isAsking = false;

/** Writes only what is different, so that a screen reader hears a status once. */
function put(element: HTMLElement, text: string): void {
  if (element.textContent !== text) element.textContent = text;
}

function show(answer: Answer): void {
  const tone = answer.ok ? (answer.tone ?? "quiet") : "bad";
  box.className = `status ${tone}`;
  put(headline, answer.headline ?? (answer.ok ? "" : "No answer from the script"));
  put(detail, answer.detail ?? answer.message ?? "");
  const isConnected = answer.connected === true;
  check.hidden = !isConnected;
  disconnect.hidden = !isConnected;
  connect.className = isConnected ? "" : "main";
  put(asked, `Asked at ${new Date().toLocaleTimeString()}`);
}

async function refresh(): Promise<void> {
  if (isAsking || document.hidden) return;
  isAsking = true;
  check.disabled = true;
  show(await callScript("ui_getStatus"));
  check.disabled = false;
  isAsking = false;
}

async function onDisconnect(): Promise<void> {
  if (disconnect.dataset["sure"] !== "yes") {
    disconnect.dataset["sure"] = "yes";
    disconnect.textContent = "Really disconnect";
    return;
  }
  disconnect.disabled = true;
  const answer = await callScript("ui_disconnect");
  disconnect.disabled = false;
  forgetDisconnect();
  if (answer.ok) show({ ok: true, connected: false, tone: "quiet", headline: "Disconnected", detail: answer.message ?? "" });
  else put(detail, answer.message ?? "");
}

function forgetDisconnect(): void {
  delete disconnect.dataset["sure"];
  disconnect.textContent = "Disconnect";
}

check.addEventListener("click", () => void refresh());
connect.addEventListener("click", () => void callScript("showConnect"));
disconnect.addEventListener("click", () => void onDisconnect());
disconnect.addEventListener("blur", forgetDisconnect);
document.addEventListener("visibilitychange", () => void refresh());
setInterval(() => void refresh(), everyMs);
void refresh();
