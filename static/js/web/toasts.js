/** Short messages in the corner of the page. */

import { element, need } from "./dom.js";

/**
 * @param {string} message
 * @param {"info" | "danger"} [kind]
 */
export function toast(message, kind = "info") {
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
  need("[data-toasts]").append(box);
  box.addEventListener("hidden.bs.toast", () => box.remove());
  new window.bootstrap.Toast(box, { autohide: kind !== "danger", delay: 5000 }).show();
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
