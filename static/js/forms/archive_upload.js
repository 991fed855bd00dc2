/** An archive for a new job: dropped anywhere on the form, and uploaded with a progress bar. */

import { setBusy } from "../web/busy.js";
import { all, need } from "../web/dom.js";
import { clearErrors, showErrors } from "./errors.js";
import { valueOf } from "./fields.js";
import { moveBar } from "../job/progress.js";

/**
 * What a form with an archive is like.
 * @typedef {object} ArchiveForm
 * @property {string} field the name of the archive's field
 * @property {string} [method] the choice under "method" that goes with an archive; none: there is no other
 * @property {string} sent what to say while the server looks at what was sent
 * @property {string} place where the pages of its jobs are, from the form's action
 */

/**
 * Take a file that is dropped on the form as its archive.
 * @param {HTMLFormElement} form
 * @param {ArchiveForm} kind
 */
export function takeDroppedArchive(form, kind) {
  const input = archiveInput(form, kind);
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
    if (kind.method) {
      /** @type {HTMLInputElement} */ (need(`input[name='method'][value='${kind.method}']`, form)).checked = true;
    }
    form.dispatchEvent(new Event("change"));
    input.dispatchEvent(new Event("change", { bubbles: true }));
    input.focus();
  });
}

/**
 * Send a form that has an archive in the background, with its progress on the page.
 * @param {HTMLFormElement} form
 * @param {ArchiveForm} kind
 */
export function uploadWithProgress(form, kind) {
  form.addEventListener("submit", (event) => {
    if (kind.method && valueOf(form, "method") !== kind.method) return;
    if (!archiveInput(form, kind).files?.length) return;
    event.preventDefault();
    if (!form.hasAttribute("aria-busy")) send(form, kind);
  });
}

/**
 * @param {HTMLFormElement} form
 * @param {ArchiveForm} kind
 */
function archiveInput(form, kind) {
  return /** @type {HTMLInputElement} */ (need(`input[name='${kind.field}']`, form));
}

/**
 * @param {HTMLFormElement} form
 * @param {ArchiveForm} kind
 */
function send(form, kind) {
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
      loaded < total ? `${megabytes(loaded)} of ${megabytes(total)} sent` : kind.sent;
  });
  request.addEventListener("load", () => {
    show(false);
    answered(form, kind, request);
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
 * @param {ArchiveForm} kind
 * @param {XMLHttpRequest} request
 */
function answered(form, kind, request) {
  let answer;
  try {
    answer = JSON.parse(request.responseText);
  } catch {
    answer = { error: `Error ${request.status}` }; // a proxy's page
  }
  if (answer.id) {
    location.assign(new URL(`${kind.place}${encodeURIComponent(answer.id)}`, form.action));
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
