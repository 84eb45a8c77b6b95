/** The menu bar: this page's own menus and those that the script adds. */
import { element } from "./dom.ts";

export type Entry = { caption: string; run: () => void } | { separator: true } | { heading: string };

export function createMenus(bar: HTMLElement) {
  let open: HTMLElement | undefined;
  const close = (): void => {
    open?.remove();
    open = undefined;
    for (const one of bar.querySelectorAll("[aria-expanded=true]")) one.setAttribute("aria-expanded", "false");
  };
  document.addEventListener("mousedown", (event) => {
    if (open && event.target instanceof Node && !open.contains(event.target) && !bar.contains(event.target)) close();
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") close();
  });

  function show(anchor: HTMLElement, entries: readonly Entry[]): void {
    const list = element("div", { class: "menu", role: "menu" });
    for (const entry of entries) {
      if ("separator" in entry) list.append(element("hr"));
      else if ("heading" in entry) list.append(element("div", { class: "menu-heading" }, entry.heading));
      else {
        const item = element("button", { type: "button", role: "menuitem" }, entry.caption);
        item.addEventListener("click", () => {
          close();
          entry.run();
        });
        list.append(item);
      }
    }
    const { left, bottom } = anchor.getBoundingClientRect();
    list.style.left = `${left}px`;
    list.style.top = `${bottom}px`;
    document.body.append(list);
    open = list;
    anchor.setAttribute("aria-expanded", "true");
    list.querySelector("button")?.focus();
  }

  /** Adds a menu, or replaces the one of the same name. */
  function add(caption: string, entries: () => readonly Entry[]): void {
    const opener = element(
      "button",
      { type: "button", class: "menu-opener", "aria-haspopup": "menu", "aria-expanded": "false" },
      caption,
    );
    opener.addEventListener("click", () => {
      const wasOpen = opener.getAttribute("aria-expanded") === "true";
      close();
      if (!wasOpen) show(opener, entries());
    });
    const held = [...bar.children].find((one) => one.textContent === caption);
    if (held) held.replaceWith(opener);
    else bar.append(opener);
  }
  return { add };
}
