/** The panel inside Google Sheets: how the wire is, asked again every 15 seconds while somebody can see it. */
import { callScript, part } from "./server.ts";
import { describe, type Answer, type Words } from "./words.ts";

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

function show(words: Words, isConnected: boolean): void {
  box.className = `status ${words.tone}`;
  put(headline, words.headline);
  put(detail, words.detail);
  check.hidden = !isConnected;
  disconnect.hidden = !isConnected;
  connect.className = isConnected ? "" : "main";
  put(asked, `Asked at ${new Date().toLocaleTimeString()}`);
}

/** A script that gave no answer says nothing about being connected: the buttons stay as they are. */
const showAnswer = (answer: Answer): void =>
  show(describe(answer), answer.ok ? answer.connected === true : !check.hidden);

async function refresh(): Promise<void> {
  if (isAsking || document.hidden) return;
  isAsking = true;
  check.disabled = true;
  showAnswer(await callScript("ui_getStatus"));
  check.disabled = false;
  isAsking = false;
}

/** A full check says itself what came of it, in the corner of the sheet. */
async function onCheck(): Promise<void> {
  check.disabled = true;
  await callScript("checkNow");
  check.disabled = false;
  await refresh();
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
  if (answer.ok) show({ tone: "quiet", headline: "Disconnected", detail: answer.message ?? "" }, false);
  else put(detail, answer.message ?? "");
}

function forgetDisconnect(): void {
  delete disconnect.dataset["sure"];
  disconnect.textContent = "Disconnect";
}

check.addEventListener("click", () => void onCheck());
connect.addEventListener("click", () => void callScript("showConnect"));
disconnect.addEventListener("click", () => void onDisconnect());
disconnect.addEventListener("blur", forgetDisconnect);
document.addEventListener("visibilitychange", () => void refresh());
setInterval(() => void refresh(), everyMs);
void refresh();
