/** The page of the bin: restore, delete for good, and see what others do to it. */

import { confirm } from "../web/dialogs.js";
import { afterQuiet } from "../web/dom.js";
import { send } from "../web/http.js";
import { refresh } from "../web/refresh.js";
import { listen } from "../web/sockets.js";
import { toast, withErrorsShown } from "../web/toasts.js";

const refreshSoon = afterQuiet(refresh, 200);

document.addEventListener("click", (event) => {
  const button = event.target instanceof Element ? event.target.closest("button") : null;
  if (!button?.dataset.restoreOne && !button?.dataset.discard) return;
  event.preventDefault();
  withErrorsShown(() => (button.dataset.restoreOne ? restore(button) : discard(button)));
});
listen("/home", { caughtUp: refresh, jobUpdate });

/** @param {import("../web/sockets.js").JobUpdate} update */
function jobUpdate(update) {
  if (update.update === "added" || update.update === "deleted") refreshSoon();
}

/** @param {HTMLButtonElement} button */
async function restore(button) {
  button.disabled = true;
  try {
    const answer = await send(button.dataset.restoreOne ?? "");
    const { id, name } = await answer.json();
    toast(`“${name}” was restored.`, "info", { label: "Open", run: () => open(id) });
    await refresh();
  } finally {
    button.disabled = false;
  }
}

/** @param {string} id */
async function open(id) {
  location.assign(`${document.body.dataset.root ?? ""}/jobs/${encodeURIComponent(id)}`);
}

/** @param {HTMLButtonElement} button */
async function discard(button) {
  const { discard: url = "", discardTitle: title = "", discardText: text = "" } = button.dataset;
  if (!(await confirm({ title, text, yes: "Delete for good" }))) return;
  const answer = await send(url, undefined, "DELETE");
  const isJson = answer.headers.get("Content-Type")?.startsWith("application/json");
  const { kept = [] } = isJson ? await answer.json() : {};
  for (const { name, reason } of kept) toast(`${name} is still there. ${reason}`, "danger");
  await refresh();
}
