/** Short messages in the corner of the page, which take clicks at their button alone; errors stand at what caused them (errors.js). */

import { element, need } from "./dom.js";
import { showError, shownErrors } from "./errors.js";
import { messagesOf } from "./http.js";

// What can be undone stays a little longer than what is only told.
const DELAY_MS = 5000;
const ACTION_DELAY_MS = 15000;

/**
 * @param {string} message
 * @param {"info" | "danger"} [kind] an error stands at what has the focus
 * @param {{label: string, run: () => Promise<void>}} [action] a button in it
 */
export function toast(message, kind = "info", action = undefined) {
  if (kind === "danger") {
    showError([message], document.activeElement);
    return;
  }
  const line = element("div", { class: "d-flex" }, element("div", { class: "toast-body" }, message));
  const box = element("div", { class: "toast", role: "status" }, line);
  const shown = new window.bootstrap.Toast(box, { delay: action ? ACTION_DELAY_MS : DELAY_MS });
  if (action) {
    const button = element("button", { class: "btn btn-sm btn-outline-secondary m-auto", type: "button" }, action.label);
    button.addEventListener("click", () => {
      shown.hide();
      withErrorsShown(action.run);
    });
    line.append(button);
  }
  need("[data-toasts]").append(box);
  box.addEventListener("hidden.bs.toast", () => box.remove());
  shown.show();
}

/**
 * Run `work` and show what went wrong, until it goes right.
 * @param {() => Promise<void>} work
 * @param {Element | null} [at] what was pressed or chosen; its errors of earlier tries go
 */
export async function withErrorsShown(work, at = document.activeElement) {
  const earlier = shownErrors(at);
  try {
    await work();
  } catch (error) {
    showError(messagesOf(error), at);
  }
  for (const box of earlier) box.remove();
}
