/** A guide's page: the search above it, and where the reader is in its contents. */

import { afterQuiet, all, element, need } from "../web/dom.js";
import { entriesOf, excerptOf, found } from "./search.js";
import { markCurrentSection, showCurrentGuide } from "./contents.js";

const QUIET_MS = 80;
const MOST_SHOWN = 30;

const form = need("[data-help-search]");
const input = /** @type {HTMLInputElement} */ (need("input", form));
const results = need("[data-help-results]");
const title = need("[data-help-results-title]");
const said = need("[data-help-said]");
const guide = need("[data-help-guide]");

/** @type {Promise<import("./search.js").Entry[]> | undefined} */
let entries;

/** Everything that can be found; fetched when it is first asked for. */
function allEntries() {
  entries ??= fetch(form.dataset.helpSearch ?? "").then(async (answer) => {
    if (!answer.ok) throw new Error(`the guides cannot be searched: status ${answer.status}`);
    return entriesOf((await answer.json()).pages);
  });
  // What failed once may work the next time.
  entries.catch(() => (entries = undefined));
  return entries;
}

/** Show what the words in the field find, or the guide where there are none. */
async function search() {
  const query = input.value.trim();
  keepInAddress(query);
  if (query === "") return showGuide();
  try {
    const everything = await allEntries();
    // Typing has gone on meanwhile: the next call has the answer.
    if (query === input.value.trim()) showResults(found(everything, query), query);
  } catch {
    said.textContent = "The guides could not be fetched. Check the connection, then type again.";
  }
}

/** @param {string} query */
function keepInAddress(query) {
  const address = new URL(location.href);
  if ((address.searchParams.get("q") ?? "") === query) return;
  if (query) address.searchParams.set("q", query);
  else address.searchParams.delete("q");
  history.replaceState(history.state, "", address);
}

function showGuide() {
  results.replaceChildren();
  said.textContent = "";
  turnTo(guide);
}

/**
 * Show the guide, or the results in its place.
 * @param {HTMLElement} shown
 */
function turnTo(shown) {
  guide.hidden = shown !== guide;
  title.hidden = shown === guide;
}

/**
 * @param {import("./search.js").Entry[]} places
 * @param {string} query
 */
function showResults(places, query) {
  turnTo(results);
  const shown = places.slice(0, MOST_SHOWN);
  // Somebody may have gone on to a result while the last word was looked for.
  const at = all("a", results).indexOf(/** @type {HTMLElement} */ (document.activeElement));
  results.replaceChildren(...shown.map((place) => resultItem(place, query)));
  if (at >= 0) all("a", results)[Math.min(at, shown.length - 1)]?.focus();
  said.textContent = countInWords(places.length);
}

/** @param {number} count */
function countInWords(count) {
  if (count === 0) return "Nothing found. Try fewer words, or the beginning of one.";
  if (count > MOST_SHOWN) return `${count} results; the best ${MOST_SHOWN} are shown.`;
  return count === 1 ? "1 result" : `${count} results`;
}

/**
 * @param {import("./search.js").Entry} place
 * @param {string} query
 */
function resultItem(place, query) {
  const link = element("a", { href: place.address }, place.heading);
  const where = place.heading === place.title ? [] : [element("span", { class: "muted" }, place.title)];
  const words = excerptOf(place.text, query).map(({ text, isHit }) => (isHit ? element("mark", {}, text) : text));
  return element("li", {}, link, ...where, element("p", {}, ...words));
}

/** @param {KeyboardEvent} event */
function handleKey(event) {
  if (event.key === "Escape" && input.value) {
    event.preventDefault();
    clear();
  } else if (event.key === "ArrowDown" || event.key === "ArrowUp") {
    const stops = [input, ...all("a", results)];
    const next = stops[stops.indexOf(/** @type {HTMLElement} */ (event.target)) + (event.key === "ArrowDown" ? 1 : -1)];
    if (!next) return;
    event.preventDefault();
    next.focus();
  }
}

function clear() {
  input.value = "";
  keepInAddress("");
  showGuide();
  input.focus();
}

/** @param {KeyboardEvent} event */
function handleSlash(event) {
  const isTyping = event.target instanceof Element && event.target.closest("input, textarea, select, [contenteditable]");
  if (event.key !== "/" || isTyping || event.ctrlKey || event.altKey || event.metaKey) return;
  event.preventDefault();
  input.focus();
  input.select();
}

/** @param {MouseEvent} event */
function followResult(event) {
  const link = event.target instanceof Element ? event.target.closest("a") : null;
  // A place on this very page: the guide must be there to be scrolled.
  if (link && link.pathname === location.pathname) {
    input.value = "";
    keepInAddress("");
    showGuide();
  }
}

form.hidden = false;
input.addEventListener("input", afterQuiet(search, QUIET_MS));
input.addEventListener("focus", () => void allEntries().catch(() => {}), { once: true });
form.addEventListener("submit", async (event) => {
  event.preventDefault();
  // Who types fast has not yet seen what the last letters find.
  await search();
  all("a", results)[0]?.click();
});
form.addEventListener("keydown", handleKey);
results.addEventListener("keydown", handleKey);
results.addEventListener("click", followResult);
document.addEventListener("keydown", handleSlash);
// The way back from a result leads to the results again.
input.value = new URL(location.href).searchParams.get("q") ?? "";
if (input.value) void search();
for (const closing of all("[popover] a")) {
  closing.addEventListener("click", () => {
    const around = /** @type {HTMLElement} */ (closing.closest("[popover]"));
    if (around.matches(":popover-open")) around.hidePopover();
  });
}
showCurrentGuide();
markCurrentSection();
