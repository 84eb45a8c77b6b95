/** The Connect dialog: paste, wait, read what came of it. */
import { callScript, closePage, part } from "./server.ts";

const pasted = part("pasted", HTMLTextAreaElement);
const connect = part("connect", HTMLButtonElement);
const close = part("close", HTMLButtonElement);
const result = part("result", HTMLDivElement);

function say(tone: string, headline: string, detail: string): void {
  result.hidden = false;
  result.className = `status ${tone}`;
  part("headline", HTMLParagraphElement).textContent = headline;
  part("detail", HTMLParagraphElement).textContent = detail;
}

async function onConnect(): Promise<void> {
  const text = pasted.value.trim();
  if (!text) {
    say("bad", "Nothing pasted yet", "Paste the connection string into the field first.");
    pasted.focus();
    return;
  }
  connect.disabled = true;
  pasted.disabled = true;
  say(
    "waiting",
    "Connecting… reading the sheet",
    "A large spreadsheet takes a few minutes. You can go on working in it.",
  );
  const answer = await callScript("ui_connect", text);
  pasted.disabled = false;
  connect.disabled = false;
  if (answer.ok) {
    // The key has done its work and need not stand on the screen.
    pasted.value = "";
    say("good", "Connected", [answer.message, answer.notice].filter(Boolean).join(" "));
    close.focus();
  } else {
    say("bad", "Not connected", answer.message ?? "Something went wrong.");
    pasted.focus();
  }
}

part("form", HTMLFormElement).addEventListener("submit", (event) => {
  event.preventDefault();
  void onConnect();
});
close.addEventListener("click", closePage);
