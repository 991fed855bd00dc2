/** A dataset's page, beyond what all jobs have: sample pictures, fetched once they are there; what trainings kept. */

import { foldLongLists } from "../web/fold.js";
import { confirm } from "../web/dialogs.js";
import { RequestFailed, request, send } from "../web/http.js";
import { refresh } from "../web/refresh.js";
import { withErrorsShown } from "../web/toasts.js";

/** The server's fragments by their address: a refresh of the page empties their places. */
const fetched = new Map();

showSamples();
document.addEventListener("digits:refreshed", showSamples);

document.addEventListener("click", (event) => {
  const button = event.target instanceof Element ? event.target.closest("button") : null;
  if (button?.dataset.deleteFeatures) withErrorsShown(() => deleteFeatures(button), button);
});

/** @param {HTMLButtonElement} button */
async function deleteFeatures(button) {
  const sure = await confirm({
    title: "Delete the features?",
    text: "The next training that needs them computes them again.",
    yes: "Delete",
  });
  if (!sure) return;
  await send(button.dataset.deleteFeatures ?? "", undefined, "DELETE");
  await refresh();
}

async function showSamples() {
  const place = document.querySelector("[data-samples]");
  if (!(place instanceof HTMLElement)) return;
  const url = place.dataset.samples ?? "";
  if (!fetched.has(url)) fetched.set(url, fetchSamples(url));
  const html = await fetched.get(url);
  // Meanwhile the place may have been replaced.
  const shown = document.querySelector("[data-samples]");
  if (!shown) return;
  shown.innerHTML = html; // the server's own fragment
  foldLongLists(shown);
}

/**
 * @param {string} url
 * @returns {Promise<string>}
 */
async function fetchSamples(url) {
  try {
    return await (await request(url)).text();
  } catch (error) {
    if (!(error instanceof RequestFailed)) throw error;
    fetched.delete(url); // another try at the next refresh
    const words = document.createElement("p");
    words.className = "muted";
    words.textContent = error.message;
    return words.outerHTML;
  }
}
