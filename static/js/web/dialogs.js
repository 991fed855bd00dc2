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
 * Ask for a line of text; null when the question was cancelled.
 * @param {object} question
 * @param {string} question.title
 * @param {string} question.label
 * @param {string} question.value what stands there at first
 * @param {string[]} question.choices what is offered while one types
 * @param {number} question.longest in characters
 * @param {string} question.yes
 * @returns {Promise<string | null>}
 */
export function askForText({ title, label, value, choices, longest, yes }) {
  const options = element("datalist", { id: "dialog-choices" });
  for (const choice of choices) options.append(element("option", { value: choice }));
  const field = /** @type {HTMLInputElement} */ (
    element("input", {
      class: "form-control",
      value,
      required: "",
      maxlength: String(longest),
      list: options.id,
      autocomplete: "off",
    })
  );
  const dialog = openDialog(
    title,
    element("label", { class: "dialog-field" }, label, field, options),
    element("button", { class: "btn btn-sm btn-outline-secondary", value: "no", formnovalidate: "" }, "Cancel"),
    element("button", { class: "btn btn-sm btn-primary", value: "yes" }, yes),
  );
  dialog.querySelector("form")?.addEventListener("keydown", (event) => answerOnEnter(event, dialog));
  field.select();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => {
      const text = field.value.trim();
      resolve(dialog.returnValue === "yes" && text ? text : null);
    });
  });
}

/**
 * Enter in the field answers yes: by itself it would press the first button, which cancels.
 * @param {KeyboardEvent} event
 * @param {HTMLDialogElement} dialog
 */
function answerOnEnter(event, dialog) {
  if (event.key !== "Enter" || !(event.target instanceof HTMLInputElement)) return;
  event.preventDefault();
  /** @type {HTMLButtonElement | null} */ (dialog.querySelector('button[value="yes"]'))?.click();
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
