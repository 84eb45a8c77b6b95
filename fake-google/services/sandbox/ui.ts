import { ask, enumOf, exception, needScope, object, run } from "./host.ts";
import type { HtmlOutput } from "./html.ts";

const buttons = enumOf(["OK", "OK_CANCEL", "YES_NO", "YES_NO_CANCEL"]);
const button = enumOf(["CLOSE", "OK", "CANCEL", "YES", "NO"]);

type Item = { caption: string; functionName: string } | { separator: true } | { caption: string; items: Item[] };

function menu(caption: string) {
  const items: Item[] = [];
  const self = object("Menu", {
    items,
    caption,
    addItem: (text: string, functionName: string) => {
      items.push({ caption: text, functionName });
      return self;
    },
    addSeparator: () => {
      items.push({ separator: true });
      return self;
    },
    addSubMenu: (other: { caption: string; items: Item[] }) => {
      items.push({ caption: other.caption, items: other.items });
      return self;
    },
    addToUi: () => {
      ask("ui.menu", { caption, items });
    },
  });
  Object.defineProperty(self, "items", { enumerable: false });
  Object.defineProperty(self, "caption", { enumerable: false });
  return self;
}

function contents(html: HtmlOutput | string): {
  html: string;
  title: string;
  width: number | null;
  height: number | null;
} {
  if (typeof html === "string") return { html, title: "", width: null, height: null };
  return { html: html.getContent(), title: html.getTitle() ?? "", width: html.getWidth(), height: html.getHeight() };
}

const set = (kind: string): string => buttons[kind]?.name() ?? "OK";

/** Only where somebody looks at the sheet: from a menu, a dialog, the sidebar or onOpen. */
export function getUi(call: string) {
  if (!run().hasUi) throw exception(`Cannot call ${call}() from this context.`);
  const dialogs = (name: string): void => {
    needScope(name, ["script.container.ui"]);
  };
  return object("Ui", {
    Button: button,
    ButtonSet: buttons,
    createMenu: menu,
    createAddonMenu: () => menu("Add-on"),
    alert: (a: string, b?: unknown, c?: { name(): string }) => {
      const isTitled = typeof b === "string";
      const chosen = isTitled ? c : (b as { name(): string } | undefined);
      const answer = String(
        ask("ui.dialog", {
          type: "alert",
          title: isTitled ? a : "",
          message: isTitled ? b : a,
          buttons: set(chosen?.name() ?? "OK"),
        }),
      );
      return button[answer] ?? button["CLOSE"];
    },
    prompt: (a: string, b?: unknown, c?: { name(): string }) => {
      const isTitled = typeof b === "string";
      const chosen = isTitled ? c : (b as { name(): string } | undefined);
      const answer = ask("ui.dialog", {
        type: "prompt",
        title: isTitled ? a : "",
        message: isTitled ? b : a,
        buttons: set(chosen?.name() ?? "OK"),
      }) as { button: string; text: string };
      return object("PromptResponse", {
        getSelectedButton: () => button[answer.button] ?? button["CLOSE"],
        getResponseText: () => answer.text,
      });
    },
    showSidebar: (html: HtmlOutput | string) => {
      dialogs("Ui.showSidebar");
      ask("ui.show", { type: "sidebar", ...contents(html) });
    },
    showModalDialog: (html: HtmlOutput | string, title: string) => {
      dialogs("Ui.showModalDialog");
      ask("ui.show", { ...contents(html), type: "dialog", title });
    },
    showModelessDialog: (html: HtmlOutput | string, title: string) => {
      dialogs("Ui.showModelessDialog");
      ask("ui.show", { ...contents(html), type: "dialog", title });
    },
  });
}
