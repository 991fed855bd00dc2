/** The snapshots of a model's page: the lists to choose from, and the table where they can be deleted. */

import { afterQuiet, all } from "../web/dom.js";
import { confirm } from "../web/dialogs.js";
import { send } from "../web/http.js";
import { refresh } from "../web/refresh.js";
import { toast, withErrorsShown } from "../web/toasts.js";

// A fast training makes several a second; the page need not follow each.
const refreshSoon = afterQuiet(refresh, 1000);

/** There are more snapshots, or fewer: their table and lists come with the page. */
export function showSnapshots() {
  refreshSoon();
}

/** Listen for the buttons of the table, also of those that come with a refreshed page. */
export function handleSnapshotActions() {
  document.addEventListener("click", (event) => {
    const button = event.target instanceof Element ? event.target.closest("button") : null;
    if (button?.dataset.deleteSnapshot) withErrorsShown(() => remove(button), button);
    if (button?.dataset.prune) withErrorsShown(() => prune(button), button);
  });
  document.addEventListener("digits:refreshed", (event) => {
    const fresh = /** @type {CustomEvent<Document>} */ (event).detail;
    for (const list of all("select[data-snapshots]")) {
      const next = fresh.getElementById(list.id);
      if (next instanceof HTMLSelectElement) takeChoices(/** @type {HTMLSelectElement} */ (list), next);
    }
  });
}

/**
 * Offer the snapshots of a refreshed page. Who had the last one chosen gets the new last one; another
 * choice stays.
 * @param {HTMLSelectElement} list
 * @param {HTMLSelectElement} next
 */
function takeChoices(list, next) {
  const chosen = list.value;
  const isLast = chosen === lastOf(list);
  if (list.innerHTML !== next.innerHTML) {
    list.replaceChildren(...next.children);
    const isThere = [...list.options].some(({ value }) => value === chosen);
    list.value = isThere && !isLast ? chosen : lastOf(list);
  }
  for (const part of all("[data-needs-snapshot]")) part.hidden = list.options.length === 0;
  for (const part of all("[data-until-snapshot]")) part.hidden = list.options.length > 0;
}

/**
 * What the option of the last snapshot stands for; empty while there is none.
 * @param {HTMLSelectElement} list
 */
function lastOf(list) {
  return /** @type {HTMLOptionElement | null} */ (list.querySelector("option[data-last]"))?.value ?? "";
}

/** @param {HTMLButtonElement} button */
async function remove(button) {
  const sure = await confirm({
    title: `Delete the snapshot of epoch ${button.dataset.epoch}?`,
    text: "Its weights are removed from the disk. This cannot be undone.",
    yes: "Delete",
  });
  if (!sure) return;
  await send(button.dataset.deleteSnapshot ?? "", undefined, "DELETE");
  await refresh();
}

/** @param {HTMLButtonElement} button */
async function prune(button) {
  const sure = await confirm({
    title: `Delete ${button.dataset.pruneCount} snapshots?`,
    text: "Only the best, the last, and those that the training still needs are kept.",
    yes: "Delete",
  });
  if (!sure) return;
  const answer = await send(button.dataset.prune ?? "");
  const { deleted } = await answer.json();
  toast(`${deleted.length} snapshots deleted.`);
  await refresh();
}
