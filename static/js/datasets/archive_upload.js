/** An archive for a new dataset: dropped anywhere on the form, and uploaded with a progress bar. */

import { setBusy } from "../web/busy.js";
import { all, need } from "../web/dom.js";
import { clearErrors, showErrors } from "../forms/errors.js";
import { valueOf } from "../forms/fields.js";
import { moveBar } from "../job/progress.js";

/**
 * Take a file that is dropped on the form as its archive.
 * @param {HTMLFormElement} form
 */
export function takeDroppedArchive(form) {
  const input = /** @type {HTMLInputElement} */ (need("input[name='archive_file']", form));
  form.addEventListener("dragover", (event) => {
    if (!event.dataTransfer?.types.includes("Files")) return;
    event.preventDefault();
    form.classList.add("drop-target");
  });
  for (const kind of ["dragleave", "drop"]) form.addEventListener(kind, () => form.classList.remove("drop-target"));
  form.addEventListener("drop", (event) => {
    const file = event.dataTransfer?.files[0];
    // A text file that is dropped on its own field stays there.
    if (!file || (event.target instanceof HTMLInputElement && event.target.type === "file")) return;
    event.preventDefault();
    const files = new DataTransfer();
    files.items.add(file);
    input.files = files.files;
    /** @type {HTMLInputElement} */ (need("input[name='method'][value='archive']", form)).checked = true;
    form.dispatchEvent(new Event("change"));
    input.focus();
  });
}

/**
 * Send a form that has an archive in the background, with its progress on the page.
 * @param {HTMLFormElement} form
 */
export function uploadWithProgress(form) {
  form.addEventListener("submit", (event) => {
    const input = /** @type {HTMLInputElement} */ (need("input[name='archive_file']", form));
    if (valueOf(form, "method") !== "archive" || !input.files?.length) return;
    event.preventDefault();
    if (!form.hasAttribute("aria-busy")) send(form);
  });
}

/** @param {HTMLFormElement} form */
function send(form) {
  const part = need("[data-upload]", form);
  const buttons = /** @type {HTMLButtonElement[]} */ (all("button[type='submit']", form));
  const request = new XMLHttpRequest();
  /** @param {boolean} running */
  const show = (running) => {
    part.hidden = !running;
    if (running) form.setAttribute("aria-busy", "true");
    else form.removeAttribute("aria-busy");
    for (const button of buttons) setBusy(button, running);
  };
  request.upload.addEventListener("progress", ({ loaded, total }) => {
    moveBar(part.querySelector("progress"), (100 * loaded) / total);
    need("[data-upload-words]", part).textContent =
      loaded < total ? `${megabytes(loaded)} of ${megabytes(total)} sent` : "Sent; the dataset is being created";
  });
  request.addEventListener("load", () => {
    show(false);
    answered(form, request);
  });
  request.addEventListener("error", () => {
    show(false);
    showErrors(form, { form: ["The upload was interrupted. Is the server still running? Send the form again."] });
  });
  request.open("POST", form.action);
  request.setRequestHeader("Accept", "application/json");
  clearErrors(form);
  show(true);
  request.send(new FormData(form));
}

/**
 * @param {HTMLFormElement} form
 * @param {XMLHttpRequest} request
 */
function answered(form, request) {
  let answer;
  try {
    answer = JSON.parse(request.responseText);
  } catch {
    answer = { error: `Error ${request.status}` }; // a proxy's page
  }
  if (answer.id) {
    location.assign(new URL(`../${encodeURIComponent(answer.id)}`, form.action));
  } else if (answer.errors) {
    showErrors(form, answer.errors);
  } else {
    showErrors(form, { form: [answer.error?.message ?? answer.error ?? `Error ${request.status}`] });
  }
}

/** @param {number} bytes */
function megabytes(bytes) {
  return `${(bytes / 1e6).toFixed(bytes < 1e7 ? 1 : 0)} MB`;
}
