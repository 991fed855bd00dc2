/** What can be done with a job: rename, pause, resume, abort, delete. The buttons say the addresses. */

import { all, element } from "../web/dom.js";
import { confirm } from "../web/dialogs.js";
import { request, send } from "../web/http.js";
import { showProgressInTitle } from "./progress.js";
import { outdate } from "../web/refresh.js";
import { toast, withErrorsShown } from "../web/toasts.js";

/** Listen for clicks on the buttons, also on those that come later. */
export function handleJobActions() {
  document.addEventListener("click", (event) => {
    const button = event.target instanceof Element ? event.target.closest("button") : null;
    if (button?.dataset.press) withErrorsShown(() => press(button));
    if (button?.dataset.abort) withErrorsShown(() => abort(button));
    if (button?.dataset.delete) withErrorsShown(() => remove(button));
  });
  for (const form of all("form[data-rename]")) {
    handleRename(/** @type {HTMLFormElement} */ (form));
  }
}

/**
 * Pause or resume: nothing is lost by it, so nothing is asked.
 * @param {HTMLButtonElement} button
 */
async function press(button) {
  button.disabled = true;
  try {
    await send(button.dataset.press ?? "");
    toast(button.dataset.pressed ?? "");
  } finally {
    button.disabled = false;
  }
}

/** @param {HTMLButtonElement} button */
async function abort(button) {
  const sure = await confirm({
    title: "Abort this job?",
    text: "Its process is stopped. What it has made so far stays.",
    yes: "Abort",
  });
  if (!sure) return;
  await send(button.dataset.abort ?? "");
  toast("Aborting the job.");
}

/** @param {HTMLButtonElement} button */
async function remove(button) {
  const sure = await confirm({
    title: `Delete “${button.dataset.deleteName}”?`,
    text: "Its folder with all files is removed from the server. Nothing brings it back.",
    yes: "Delete",
    explain: (place, yes) => withErrorsShown(() => sayWhatGoes(button.dataset.delete ?? "", place, yes)),
  });
  if (!sure) return;
  await send(button.dataset.delete ?? "", undefined, "DELETE");
  if (button.dataset.deleteThen) location.assign(button.dataset.deleteThen);
  else button.closest("[data-job]")?.remove();
}

/**
 * Say in the dialog what deleting a job would remove, or why it cannot be deleted.
 * @param {string} url the job's address
 * @param {HTMLElement} place
 * @param {HTMLButtonElement} yes
 */
async function sayWhatGoes(url, place, yes) {
  place.append(element("p", { class: "muted" }, "Counting what is in it…"));
  try {
    const found = await (await request(`${url}/contents`)).json();
    const users = found.dependents.map((/** @type {{id: string, name: string}} */ user) =>
      element("li", {}, element("a", { href: `${document.body.dataset.root ?? ""}/jobs/${user.id}` }, user.name)),
    );
    yes.disabled = users.length > 0;
    place.replaceChildren(
      ...(users.length ? [element("p", {}, "These models need it. Delete them first:"), element("ul", {}, ...users)] : []),
      element("ul", {}, ...contentsLines(found).map((line) => element("li", {}, line))),
    );
  } catch (error) {
    place.replaceChildren();
    throw error;
  }
}

/**
 * @param {{files: number, size: string, snapshots: number, complete: boolean, running: boolean, directory: string}} found
 * @returns {(string | Node)[]}
 */
function contentsLines({ files, size, snapshots, complete, running, directory }) {
  const some = complete ? "" : "more than ";
  return [
    ...(running ? ["It is not finished: it is stopped first."] : []),
    `${some}${counted(files, "file")}, ${size} on the disk`,
    ...(snapshots ? [`${some}${counted(snapshots, "snapshot")} of its weights`] : []),
    element("span", { class: "path" }, directory),
  ];
}

/**
 * @param {number} number
 * @param {string} word
 */
function counted(number, word) {
  return `${number.toLocaleString()} ${word}${number === 1 ? "" : "s"}`;
}

/** @param {HTMLFormElement} form */
function handleRename(form) {
  const head = form.parentElement;
  const shown = head?.querySelector("[data-name-shown]");
  const input = form.querySelector("input");
  if (!head || !shown || !input) return;
  /** @param {boolean} editing */
  const edit = (editing) => {
    form.hidden = !editing;
    shown.toggleAttribute("hidden", editing);
    if (editing) input.select();
    else head.querySelector("button")?.focus();
  };
  head.querySelector("[data-rename-start]")?.addEventListener("click", () => edit(true));
  head.querySelector("[data-rename-cancel]")?.addEventListener("click", () => edit(false));
  form.addEventListener("keydown", (event) => event.key === "Escape" && edit(false));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    withErrorsShown(async () => {
      await send(form.action, new URLSearchParams({ job_name: input.value }), "PUT");
      outdate();
      showName(input.value.trim());
      edit(false);
    });
  });
}

/**
 * Write a job's new name wherever the page shows it.
 * @param {string} name
 */
export function showName(name) {
  for (const place of all("[data-name-text]")) place.textContent = name;
  for (const button of all("[data-delete-name]")) button.dataset.deleteName = name;
  showProgressInTitle();
}
