import { render } from "preact";
import { browser } from "wxt/browser";
import { defineContentScript } from "wxt/utils/define-content-script";
import { createShadowRootUi } from "wxt/utils/content-script-ui/shadow-root";
import { spreadsheetIdIn } from "../../heartbeat/heartbeat.ts";
import { Badge } from "./badge.tsx";
import "./badge.css";

export default defineContentScript({
  matches: ["https://docs.google.com/spreadsheets/*"],
  cssInjectionMode: "ui",
  async main(ctx) {
    const ui = await createShadowRootUi(ctx, {
      name: "sheetwire-badge",
      position: "inline",
      anchor: "body",
      // Keys pressed on the badge are not the sheet's shortcuts.
      isolateEvents: true,
      onMount: (container) => {
        const root = document.createElement("div");
        container.append(root);
        const draw = (): void => {
          const spreadsheetId = spreadsheetIdIn(location.href);
          render(
            spreadsheetId === undefined ? null : <Badge key={spreadsheetId} spreadsheetId={spreadsheetId} />,
            root,
          );
        };
        draw();
        ctx.addEventListener(window, "wxt:locationchange", draw);
        return root;
      },
      onRemove: (root) => {
        if (root) render(null, root);
      },
    });
    // After an update the old badge stays, to say that the tab has to be reloaded; the new one would stand on top.
    document.querySelectorAll("sheetwire-badge").forEach((old) => old.remove());
    if (browser.runtime?.id) ui.mount();
  },
});
