/** What a script shows: its sidebar, its dialogs, its alerts and prompts; and this page's own questions. */
import { button, element } from "./dom.ts";
import type { Event } from "./server.ts";

type Shown = Extract<Event, { kind: "show" }>;
type Dialog = Extract<Event, { kind: "dialog" }>;

export function createPanels(
  side: HTMLElement,
  needs: { answer: (dialog: string, chosen: string, text: string) => void },
) {
  const modals = new Map<string, HTMLDialogElement>();

  function frameOf(src: string, title: string): HTMLIFrameElement {
    return element("iframe", {
      src,
      title,
      sandbox:
        "allow-same-origin allow-forms allow-scripts allow-popups allow-downloads allow-modals allow-popups-to-escape-sandbox",
    });
  }

  function closeSidebar(): void {
    side.replaceChildren();
    side.hidden = true;
  }

  function show({ type, title, src, width, height }: Shown): void {
    const heading = element("div", { class: "panel-heading" }, element("h2", {}, title));
    if (type === "sidebar") {
      heading.append(button("×", "Close the sidebar", closeSidebar));
      side.replaceChildren(heading, frameOf(src, title));
      side.hidden = false;
      return;
    }
    const frame = frameOf(src, title);
    frame.style.width = `${width ?? 500}px`;
    frame.style.height = `${height ?? 320}px`;
    const modal = element("dialog", { class: "modal" }, heading, frame);
    heading.append(button("×", "Close", () => modal.close()));
    modal.addEventListener("close", () => modal.remove());
    document.body.append(modal);
    modals.set(src.slice(src.lastIndexOf("/") + 1), modal);
    modal.showModal();
  }

  const sets: Record<string, readonly string[]> = {
    OK: ["OK"],
    OK_CANCEL: ["OK", "CANCEL"],
    YES_NO: ["YES", "NO"],
    YES_NO_CANCEL: ["YES", "NO", "CANCEL"],
  };
  const words: Record<string, string> = { OK: "OK", CANCEL: "Cancel", YES: "Yes", NO: "No" };

  function question(
    title: string,
    message: string,
    buttons: readonly string[],
    input: string | undefined,
    done: (chosen: string, text: string) => void,
  ): void {
    const field = element("input", { type: "text", "aria-label": message || title });
    field.value = input ?? "";
    let chosen = "CLOSE";
    const modal = element("dialog", { class: "modal" });
    const choices = buttons.map((one) =>
      button(words[one] ?? one, words[one] ?? one, () => {
        chosen = one;
        modal.close();
      }),
    );
    field.addEventListener("keydown", (event) => {
      if (event.key === "Enter") choices[0]?.click();
    });
    modal.append(
      element("h2", {}, title || "Message"),
      element("p", {}, message),
      ...(input === undefined ? [] : [field]),
      element("div", { class: "choices" }, ...choices),
    );
    modal.addEventListener("close", () => {
      modal.remove();
      done(chosen, field.value);
    });
    document.body.append(modal);
    modal.showModal();
    if (input !== undefined) field.select();
  }

  globalThis.addEventListener("message", (event: MessageEvent<unknown>) => {
    const { data } = event;
    if (
      typeof data !== "object" ||
      data === null ||
      !("fakeGoogle" in data) ||
      data.fakeGoogle !== "close" ||
      !("frame" in data)
    )
      return;
    const modal = modals.get(String(data.frame));
    modals.delete(String(data.frame));
    if (modal) modal.close();
    else closeSidebar();
  });

  return {
    show,
    dialog: ({ dialog, type, title, message, buttons }: Dialog): void =>
      question(title, message, sets[buttons] ?? ["OK"], type === "prompt" ? "" : undefined, (chosen, text) =>
        needs.answer(dialog, chosen, text),
      ),
    /** A question of the page itself; undefined when it was put away. */
    ask: (title: string, text: string): Promise<string | undefined> =>
      new Promise((resolve) =>
        question(title, "", ["OK", "CANCEL"], text, (chosen, answer) =>
          resolve(chosen === "OK" && answer !== "" ? answer : undefined),
        ),
      ),
  };
}
