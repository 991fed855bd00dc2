/** Short messages in the corner of the page. */

import { element, need } from "./dom.js";

// What can be undone stays a little longer than what is only told.
const DELAY_MS = 5000;
const ACTION_DELAY_MS = 15000;

/**
 * @param {string} message
 * @param {"info" | "danger"} [kind]
 * @param {{label: string, run: () => Promise<void>}} [action] a button in it
 */
export function toast(message, kind = "info", action = undefined) {
  const close = element("button", {
    class: "btn-close me-2 m-auto",
    type: "button",
    "data-bs-dismiss": "toast",
    "aria-label": "Close",
  });
  const box = element(
    "div",
    { class: `toast toast-${kind}`, role: kind === "danger" ? "alert" : "status" },
    element("div", { class: "d-flex" }, element("div", { class: "toast-body" }, message), close),
  );
  const shown = new window.bootstrap.Toast(box, {
    autohide: kind !== "danger",
    delay: action ? ACTION_DELAY_MS : DELAY_MS,
  });
  if (action) {
    const button = element("button", { class: "btn btn-sm btn-outline-secondary", type: "button" }, action.label);
    button.addEventListener("click", () => {
      shown.hide();
      withErrorsShown(action.run);
    });
    close.before(button);
    button.classList.add("m-auto");
  }
  need("[data-toasts]").append(box);
  box.addEventListener("hidden.bs.toast", () => box.remove());
  shown.show();
}

/**
 * Run `work` and show what went wrong.
 * @param {() => Promise<void>} work
 */
export async function withErrorsShown(work) {
  try {
    await work();
  } catch (error) {
    toast(error instanceof Error ? error.message : String(error), "danger");
  }
}
