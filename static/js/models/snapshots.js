/** The snapshots of a model's page: the lists to choose from, and the table where they can be deleted. */

import { afterQuiet, all, element } from "../web/dom.js";
import { confirm } from "../web/dialogs.js";
import { send } from "../web/http.js";
import { refresh } from "../web/refresh.js";
import { toast, withErrorsShown } from "../web/toasts.js";

// A fast training makes several a second; the table need not follow each.
const refreshSoon = afterQuiet(refresh, 1000);

/**
 * Offer these snapshots in every list. Who had the newest chosen gets the new newest; another
 * choice stays.
 * @param {[number | string, string][]} snapshots epoch and words, oldest first
 */
export function showSnapshots(snapshots) {
  for (const list of all("select[data-snapshots]")) {
    const select = /** @type {HTMLSelectElement} */ (list);
    const newest = select.options[0]?.value ?? "";
    const chosen = select.value;
    const options = snapshots.map(([epoch, words]) => element("option", { value: String(epoch) }, words));
    select.replaceChildren(...options.reverse());
    if (chosen !== newest) select.value = chosen;
    if (select.selectedIndex < 0) select.selectedIndex = 0; // the chosen one has been deleted
  }
  refreshSoon(); // the table, with measures and sizes
  for (const part of all("[data-needs-snapshot]")) part.hidden = snapshots.length === 0;
  for (const part of all("[data-until-snapshot]")) part.hidden = snapshots.length > 0;
}

/** Listen for the buttons of the table, also of those that come with a refreshed page. */
export function handleSnapshotActions() {
  document.addEventListener("click", (event) => {
    const button = event.target instanceof Element ? event.target.closest("button") : null;
    if (button?.dataset.deleteSnapshot) withErrorsShown(() => remove(button));
    if (button?.dataset.prune) withErrorsShown(() => prune(button));
  });
}

/** @param {HTMLButtonElement} button */
async function remove(button) {
  const sure = await confirm({
    title: `Delete the snapshot of epoch ${button.dataset.epoch}?`,
    text: "Its weights are removed from the disk. Nothing brings them back but training again.",
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
