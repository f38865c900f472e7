// What is looked at more closely: a panel at the side. Esc closes it, and the focus goes back to where it was.

import { el, icon } from "./dom.js";
import { t } from "./i18n.js";

function open(kind, title, content, closed) {
  const heading = el("h2", { id: "dialog-title", tabindex: "-1" }, title);
  const close = el("button", { type: "button", class: "quiet icon-only", "aria-label": t("close"), title: t("close"), onclick: () => dialog.close() }, icon("close"));
  const dialog = el("dialog", { class: kind, "aria-labelledby": "dialog-title" }, el("div", { class: "dialog-head" }, heading, close), content);
  // The view may be drawn anew under it.
  const from = document.activeElement;
  dialog.addEventListener("close", () => {
    dialog.remove();
    from?.focus?.();
    closed?.();
  });
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog) {
      dialog.close();
    }
  });
  document.body.append(dialog);
  dialog.showModal();
  heading.focus();
  return dialog;
}

/** At the side. `closed` is called when it is closed. */
export const drawer = (title, content, closed) => open("drawer", title, el("div", { class: "dialog-body" }, content), closed);

/** In the middle. */
export const dialog = (title, content, closed) => open("box", title, content, closed);
