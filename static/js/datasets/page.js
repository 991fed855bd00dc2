/** A dataset's page, beyond what all jobs have: sample pictures, fetched once they are there. */

import { foldLongLists } from "../web/fold.js";
import { RequestFailed, request } from "../web/http.js";

/** The server's fragments by their address: a refresh of the page empties their places. */
const fetched = new Map();

showSamples();
document.addEventListener("digits:refreshed", showSamples);

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
