/** Long lists, such as a hundred categories: the first ones, a search among all, and a button for all.

    A list says `data-fold`, what is in it ("categories"), and its items are its children. */

import { all, element } from "./dom.js";

// So many are looked through at a glance.
const FIRST = 12;
const LONG = 20;

/** @type {Map<string, {words: string, open: boolean}>} what the reader has asked for, by the list's name */
const asked = new Map();

/**
 * Fold the long lists that are not folded yet.
 * @param {ParentNode} [root]
 */
export function foldLongLists(root = document) {
  for (const list of all("[data-fold]:not([data-folded])", root)) {
    if (list.children.length > LONG) fold(list);
  }
}

/** @param {HTMLElement} list */
function fold(list) {
  const what = list.dataset.fold ?? "";
  const wish = asked.get(list.dataset.foldName ?? what) ?? { words: "", open: false };
  asked.set(list.dataset.foldName ?? what, wish);
  // Asked for each time: they may have been sorted.
  const itemsNow = () => /** @type {HTMLElement[]} */ ([...list.children]);
  const items = itemsNow();
  const search = /** @type {HTMLInputElement} */ (
    element("input", { class: "form-control", type: "search", id: `fold-${list.dataset.foldName ?? what}`, "aria-label": `Search the ${what}`, placeholder: `Search ${items.length} ${what}`, autocomplete: "off" })
  );
  const button = element("button", { class: "btn btn-sm btn-outline-secondary", type: "button" });
  const note = element("span", { class: "muted", role: "status" });
  const show = () => {
    const items = itemsNow();
    const words = wish.words.trim().toLowerCase();
    const found = items.filter((item) => nameOf(item).includes(words));
    const shown = new Set(words || wish.open ? found : found.slice(0, FIRST));
    for (const item of items) item.hidden = !shown.has(item);
    button.hidden = words !== "";
    button.textContent = wish.open ? `Show the first ${FIRST}` : `Show all ${items.length}`;
    note.textContent = words ? `${found.length} of ${items.length}` : "";
  };
  search.value = wish.words;
  search.addEventListener("input", () => {
    wish.words = search.value;
    show();
  });
  button.addEventListener("click", () => {
    wish.open = !wish.open;
    show();
  });
  list.addEventListener("digits:sorted", show);
  list.dataset.folded = "";
  const place = list.closest(".grid-scroll") ?? list;
  place.before(element("div", { class: "fold-tools" }, search, note));
  place.after(element("div", { class: "fold-more" }, button));
  show();
}

/** @param {HTMLElement} item */
function nameOf(item) {
  return (item.querySelector("dt, h2, th, td")?.textContent ?? item.textContent ?? "").trim().toLowerCase();
}
