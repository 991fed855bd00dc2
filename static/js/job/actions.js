/** What can be done with a job: rename, pause, resume, abort, delete. The buttons say the addresses. */

import { all, element } from "../web/dom.js";
import { confirm } from "../web/dialogs.js";
import { request, send } from "../web/http.js";
import { showProgressInTitle } from "./progress.js";
import { dayAndTime } from "../web/times.js";
import { offerUndo, offerUndoOnNextPage } from "./undo.js";
import { outdate } from "../web/refresh.js";
import { toast, withErrorsShown } from "../web/toasts.js";

/** Listen for clicks on the buttons, also on those that come later. */
export function handleJobActions() {
  document.addEventListener("click", (event) => {
    const button = event.target instanceof Element ? event.target.closest("button") : null;
    if (button?.dataset.press) withErrorsShown(() => press(button), button);
    if (button?.dataset.abort) withErrorsShown(() => abort(button), button);
    if (button?.dataset.delete) withErrorsShown(() => remove(button), button);
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
    text: "Its process is stopped. What it has made so far is kept.",
    yes: "Abort",
  });
  if (!sure) return;
  await send(button.dataset.abort ?? "");
  toast("Aborting the job.");
}

/** @param {HTMLButtonElement} button */
async function remove(button) {
  const url = button.dataset.delete ?? "";
  const name = button.dataset.deleteName ?? "";
  /** @type {Bin | undefined} */
  let bin;
  const sure = await confirm({
    title: `Delete “${name}”?`,
    text: "",
    yes: "Delete",
    explain: (place, yes) =>
      withErrorsShown(async () => {
        bin = await sayWhatGoes(url, place, yes);
      }),
  });
  if (!sure) return;
  await send(bin?.problem ? `${url}?for_good=yes` : url, undefined, "DELETE");
  const deleted = { told: `“${name}” is deleted.`, ids: [decodeURIComponent(url.split("/").pop() ?? "")] };
  const canUndo = bin === undefined || bin.until !== null;
  if (button.dataset.deleteThen) {
    if (canUndo) offerUndoOnNextPage(deleted.told, deleted.ids);
    location.assign(button.dataset.deleteThen);
    return;
  }
  button.closest("[data-job]")?.remove();
  if (canUndo) offerUndo(deleted.told, deleted.ids);
}

/**
 * What becomes of a job that is deleted now: it can be restored `until`, or (null) it is gone at once.
 * @typedef {{until: string | null, problem: string | null, disk_is_short: boolean}} Bin
 */

/**
 * Say in the dialog what deleting a job would remove, or why it cannot be deleted.
 * @param {string} url the job's address
 * @param {HTMLElement} place
 * @param {HTMLButtonElement} yes
 * @returns {Promise<Bin>}
 */
async function sayWhatGoes(url, place, yes) {
  place.append(element("p", { class: "muted" }, "Counting what is in it…"));
  try {
    const found = await (await request(`${url}/contents`)).json();
    if (found.bin.problem) yes.textContent = "Delete for good";
    const users = found.dependents.map((/** @type {{id: string, name: string}} */ user) =>
      element("li", {}, element("a", { href: `${document.body.dataset.root ?? ""}/jobs/${user.id}` }, user.name)),
    );
    yes.disabled = users.length > 0;
    place.replaceChildren(
      ...(users.length ? [element("p", {}, "These models need it. Delete them first:"), element("ul", {}, ...users)] : []),
      ...(users.length ? [] : [element("p", {}, binWords(found.bin))]),
      element("ul", {}, ...contentsLines(found).map((line) => element("li", {}, line))),
    );
    return found.bin;
  } catch (error) {
    place.replaceChildren();
    throw error;
  }
}

/**
 * @param {Bin} bin
 * @returns {string}
 */
function binWords({ until, problem, disk_is_short }) {
  if (until !== null) {
    return `It can be restored from the bin until ${dayAndTime(until)}, or until the disk runs out of space.`;
  }
  const why = disk_is_short ? "The disk is almost full, so the bin keeps nothing. " : "";
  return `${problem ? `The bin cannot be used: ${problem}. ` : why}This cannot be undone.`;
}

/**
 * @param {{files: number, size: string, snapshots: number, complete: boolean, running: boolean, directory: string}} found
 * @returns {(string | Node)[]}
 */
function contentsLines({ files, size, snapshots, complete, running, directory }) {
  const some = complete ? "" : "more than ";
  return [
    ...(running ? ["It is still running and is stopped first."] : []),
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
