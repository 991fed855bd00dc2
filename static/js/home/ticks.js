/** Selected jobs of the home page: delete, group, compare. */

import { all, need } from "../web/dom.js";
import { confirm } from "../web/dialogs.js";
import { putIntoGroup, takeOutOfGroup } from "./groups.js";
import { send } from "../web/http.js";
import { binNow, offerUndo } from "../job/undo.js";
import { refresh } from "../web/refresh.js";
import { toast, withErrorsShown } from "../web/toasts.js";

/** Listen for ticks and for the buttons below the lists. */
export function handleTicks() {
  const form = document.querySelector("form[data-jobs]");
  if (!(form instanceof HTMLFormElement)) return;
  form.addEventListener("change", (event) => {
    const box = /** @type {HTMLInputElement} */ (event.target);
    if ("tickAll" in box.dataset || "tickGroup" in box.dataset) {
      for (const other of boxes(rowsOf(box) ?? form)) other.checked = box.checked;
    }
    showTicked(form);
  });
  form.addEventListener("reset", () => setTimeout(() => showTicked(form)));
  document.addEventListener("digits:refreshed", () => showTicked(form));
  window.addEventListener("pageshow", () => showTicked(form));
  handleGroups(form);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const button = /** @type {HTMLButtonElement} */ (event.submitter);
    if (button?.dataset.deleteTicked) withErrorsShown(() => remove(form, button.dataset.deleteTicked ?? ""));
    if (button && "compare" in button.dataset) compare(form, button.formAction);
  });
  showTicked(form);
}

/** @param {HTMLFormElement} form */
function handleGroups(form) {
  /** @type {[string, (url: string, boxes: HTMLInputElement[]) => Promise<void>][]} */
  const buttons = [
    ["groupTicked", putIntoGroup],
    ["ungroupTicked", takeOutOfGroup],
  ];
  form.addEventListener("click", (event) => {
    const button = event.target instanceof Element ? event.target.closest("button") : null;
    for (const [key, change] of buttons) {
      const url = button?.dataset[key];
      if (url) withErrorsShown(() => change(url, boxes(form, ":checked")));
    }
  });
}

/**
 * What a box stands at the head of: a group, or the whole list.
 * @param {HTMLInputElement} box
 */
function rowsOf(box) {
  return box.closest("tickGroup" in box.dataset ? "tbody" : "table");
}

/**
 * The boxes of the jobs.
 * @param {ParentNode} root
 * @param {string} [more]
 * @returns {HTMLInputElement[]}
 */
function boxes(root, more = "") {
  return /** @type {HTMLInputElement[]} */ (all(`input[name=ids]${more}`, root));
}

/** @param {HTMLFormElement} form */
function showTicked(form) {
  const ticked = boxes(form, ":checked");
  const models = ticked.filter((box) => box.dataset.category === "model");
  need("[data-ticked-count]", form).textContent = `${ticked.length} selected`;
  const button = /** @type {HTMLButtonElement} */ (need("[data-compare]", form));
  button.disabled = models.length < 2;
  button.title = models.length < 2 ? "Select two models or more" : "";
  for (const button of all("[data-group-ticked]", form)) button.hidden = false;
  for (const button of all("[data-ungroup-ticked]", form)) {
    button.hidden = !ticked.some((box) => box.dataset.group);
  }
  for (const all_ of /** @type {HTMLInputElement[]} */ (all("[data-tick-all], [data-tick-group]", form))) {
    const rows = boxes(rowsOf(all_) ?? form);
    const count = rows.filter((box) => box.checked).length;
    all_.hidden = false;
    all_.checked = count > 0 && count === rows.length;
    all_.indeterminate = count > 0 && count < rows.length;
  }
}

/**
 * @param {HTMLFormElement} form
 * @param {string} url
 */
function compare(form, url) {
  const ids = boxes(form, ":checked[data-category=model]").map((box) => encodeURIComponent(box.value));
  location.assign(`${url}?ids=${ids.join(",")}`);
}

/**
 * @param {HTMLFormElement} form
 * @param {string} url
 */
async function remove(form, url) {
  const ticked = boxes(form, ":checked");
  const names = ticked.map((box) => box.closest("tr")?.querySelector(".job-name")?.textContent ?? box.value);
  const shown = names.length > 5 ? `${names.slice(0, 4).join(", ")} and ${names.length - 4} more` : names.join(", ");
  const bin = binNow();
  const sure = await confirm({
    title: `Delete ${ticked.length} job${ticked.length === 1 ? "" : "s"}?`,
    text: `${shown}: those that run are stopped. ${bin.words}`,
    yes: bin.problem ? "Delete for good" : "Delete",
  });
  if (!sure) return;
  const values = ticked.map((box) => ["ids", box.value]);
  if (bin.problem) values.push(["for_good", "yes"]);
  const answer = await send(url, new URLSearchParams(values));
  /** @type {{deleted: string[], kept: {name: string, reason: string}[]}} */
  const { deleted, kept } = await answer.json();
  const told = `${deleted.length} job${deleted.length === 1 ? "" : "s"} deleted.`;
  if (deleted.length && bin.keeps) offerUndo(told, deleted);
  else if (deleted.length) toast(told);
  for (const { name, reason } of kept) toast(`${name} is kept. ${reason}`, "danger");
  form.reset();
  await refresh();
}
