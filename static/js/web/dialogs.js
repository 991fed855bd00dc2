/** Dialogs: a question before something is lost, and a closer look at a picture. */

import { element } from "./dom.js";

/**
 * Ask before something that is not easily undone.
 *
 * `explain` may put more into the dialog while it is open, and disable its button or name it anew.
 * @param {object} question
 * @param {string} question.title
 * @param {string} question.text
 * @param {string} question.yes
 * @param {(place: HTMLElement, yes: HTMLButtonElement) => void} [question.explain]
 * @returns {Promise<boolean>}
 */
export function confirm({ title, text, yes, explain }) {
  const place = element("div", { "aria-live": "polite" });
  const button = element("button", { class: "btn btn-sm btn-danger", value: "yes" }, yes);
  const dialog = openDialog(
    title,
    element("div", { class: "dialog-text" }, ...(text ? [element("p", {}, text)] : []), place),
    element("button", { class: "btn btn-sm btn-outline-secondary", value: "no" }, "Cancel"),
    button,
  );
  explain?.(place, /** @type {HTMLButtonElement} */ (button));
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"));
  });
}

/**
 * Show something in a wide dialog.
 * @param {string} title
 * @param {Node} content
 */
export function showInDialog(title, content) {
  const close = element("button", { class: "btn btn-sm btn-outline-secondary" }, "Close");
  openDialog(title, content, close).classList.add("dialog-wide");
}

/**
 * @param {string} title
 * @param {Node} content
 * @param {...Node} buttons
 * @returns {HTMLDialogElement}
 */
function openDialog(title, content, ...buttons) {
  const dialog = /** @type {HTMLDialogElement} */ (
    element(
      "dialog",
      { class: "dialog", "aria-label": title },
      element(
        "form",
        { method: "dialog" },
        element("h2", {}, title),
        content,
        element("div", { class: "dialog-buttons" }, ...buttons),
      ),
    )
  );
  document.body.append(dialog);
  dialog.addEventListener("close", () => dialog.remove());
  dialog.showModal();
  return dialog;
}
