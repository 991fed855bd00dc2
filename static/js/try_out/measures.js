/** Tables of measures by category, sorted by the head that is pressed, and the confusion matrix in counts or percent.
    What the reader has chosen stays when the page fetches itself again. */

import { all, element } from "../web/dom.js";
import { prepareParts } from "../web/refresh.js";

/** @typedef {{key: string, down: boolean}} Order */

/** @type {Map<string, Order>} what the tables are sorted by, by their names */
const orders = new Map();
let shownAs = "count";

/** Make the tables of this page answer, also those that come later. */
export function showMeasures() {
  prepare(document.body);
  prepareParts(prepare);
  document.addEventListener("click", (event) => {
    const button = event.target instanceof Element ? event.target.closest("button") : null;
    const head = /** @type {HTMLElement | null} */ (button?.closest("th[data-sort-by]") ?? null);
    if (head) sortBy(head);
    else if (button?.closest("[data-matrix-as]")) {
      shownAs = button.dataset.as ?? "count";
      showMatrices(document.body);
    }
  });
}

/** @param {Element} part */
function prepare(part) {
  for (const table of all("[data-sortable]", part)) {
    for (const head of all("th[data-sort-by]", table)) {
      if (!head.querySelector("button")) {
        head.replaceChildren(element("button", { class: "sorter", type: "button" }, head.textContent?.trim() ?? ""));
      }
    }
    const order = orders.get(table.dataset.sortable ?? "");
    if (order) sort(table, order);
  }
  showMatrices(part);
}

/** @param {HTMLElement} head */
function sortBy(head) {
  const table = /** @type {HTMLElement} */ (head.closest("[data-sortable]"));
  const key = head.dataset.sortBy ?? "";
  const order = { key, down: head.getAttribute("aria-sort") === "ascending" };
  orders.set(table.dataset.sortable ?? "", order);
  sort(table, order);
}

/**
 * @param {HTMLElement} table
 * @param {Order} order
 */
function sort(table, { key, down }) {
  const body = table.querySelector("tbody");
  if (!body) return;
  const rows = /** @type {HTMLElement[]} */ ([...body.children]);
  const value = (/** @type {HTMLElement} */ row) => row.dataset[key] ?? "";
  const byName = (/** @type {HTMLElement} */ a, /** @type {HTMLElement} */ b) =>
    value(a).localeCompare(value(b), undefined, { numeric: true });
  const byNumber = (/** @type {HTMLElement} */ a, /** @type {HTMLElement} */ b) => Number(value(a)) - Number(value(b));
  rows.sort(key === "name" ? byName : byNumber);
  body.replaceChildren(...(down ? rows.reverse() : rows));
  for (const head of all("th[data-sort-by]", table)) {
    if (head.dataset.sortBy === key) head.setAttribute("aria-sort", down ? "descending" : "ascending");
    else head.removeAttribute("aria-sort");
  }
  body.dispatchEvent(new Event("digits:sorted"));
}

/** @param {Element} part */
function showMatrices(part) {
  for (const table of all("[data-confusion]", part)) {
    table.dataset.as = shownAs;
    // A cell is called by what it shows, "12 of 8 taken for 3" or "27.3% of 8 taken for 3".
    for (const link of all("a", table)) {
      const value = link.querySelector(`.as-${shownAs}`)?.textContent?.trim() ?? "";
      link.setAttribute("aria-label", (link.getAttribute("aria-label") ?? "").replace(/^.*? of /, `${value} of `));
    }
  }
  for (const group of all("[data-matrix-as]", part)) {
    group.hidden = false;
    for (const button of all("button", group)) button.setAttribute("aria-pressed", String(button.dataset.as === shownAs));
  }
}
