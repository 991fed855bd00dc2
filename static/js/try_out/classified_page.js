/** The pictures of a list, all of them on the page: chosen, sorted and saved here. */

import { handleChoices } from "./chooser.js";
import { all, element, need } from "../web/dom.js";
import { showMeasures } from "./measures.js";

const body = need("[data-rows]");
const rows = /** @type {HTMLTableRowElement[]} */ (all("tr", body));
/** @type {Record<string, (row: HTMLTableRowElement) => number>} */
const KEYS = {
  number: (row) => Number(row.dataset.number),
  confidence: (row) => Number(row.dataset.confidence),
  label: (row) => Number(row.dataset.truth || -1),
  predicted: (row) => Number(row.dataset.predicted || -1),
};

showMeasures();
handleChoices(show);
show(new URLSearchParams());
for (const button of all("[data-save]")) {
  button.addEventListener("click", () => save(button.dataset.save === "csv" ? csv() : json()));
}

/** @param {URLSearchParams} choice */
function show(choice) {
  const key = KEYS[choice.get("sort") ?? ""] ?? KEYS.number;
  const sign = choice.get("order") === "down" ? -1 : 1;
  const chosen = rows.filter((row) => isChosen(row, choice));
  chosen.sort((a, b) => sign * (key(a) - key(b)) || KEYS.number(a) - KEYS.number(b));
  body.replaceChildren(...chosen);
  need("[data-shown-count]").textContent = `${chosen.length} of ${rows.length} pictures`;
  markSorted(choice);
}

/**
 * @param {HTMLTableRowElement} row
 * @param {URLSearchParams} choice
 */
function isChosen(row, choice) {
  const { outcome, truth, predicted, name = "" } = row.dataset;
  const wanted = choice.get("name")?.trim().toLowerCase() ?? "";
  return (
    (!choice.get("outcome") || choice.get("outcome") === outcome) &&
    (!choice.get("truth") || choice.get("truth") === truth) &&
    (!choice.get("predicted") || choice.get("predicted") === predicted) &&
    name.toLowerCase().includes(wanted)
  );
}

/**
 * Mark the head that the rows are sorted by; a second click on it turns them round.
 * @param {URLSearchParams} choice
 */
function markSorted(choice) {
  const sorted = choice.get("sort") || "number";
  const down = choice.get("order") === "down";
  for (const link of /** @type {HTMLAnchorElement[]} */ (all("a[data-sort]"))) {
    const key = link.dataset.sort ?? "";
    const next = new URLSearchParams(choice);
    next.set("sort", key);
    next.set("order", key === sorted && !down ? "down" : "");
    link.href = `?${next}`;
    const head = link.closest("th");
    if (key === sorted) head?.setAttribute("aria-sort", down ? "descending" : "ascending");
    else head?.removeAttribute("aria-sort");
  }
}

/**
 * @param {{name: string, type: string, text: string}} file
 */
function save({ name, type, text }) {
  const address = URL.createObjectURL(new Blob([text], { type }));
  element("a", { href: address, download: name }).click();
  URL.revokeObjectURL(address);
}

function result() {
  return JSON.parse(need("[data-result]").textContent ?? "{}");
}

function json() {
  return { name: "classifications.json", type: "application/json", text: JSON.stringify(result()) };
}

/** The same columns as in the file of a job that classifies many pictures. */
function csv() {
  const { labels = [], unit = "percent" } = result();
  const head = ["image", "label", ...[1, 2, 3, 4, 5].flatMap((n) => [`class ${n}`, `${unit} ${n}`]), "problem"];
  const lines = rows.map((row) => csvFields(row, labels));
  const text = [head, ...lines].map((fields) => `${fields.map(quoted).join(",")}\n`).join("");
  return { name: "classifications.csv", type: "text/csv", text };
}

/**
 * @param {HTMLTableRowElement} row
 * @param {string[]} labels
 * @returns {string[]}
 */
function csvFields(row, labels) {
  const { classifications, unreadable } = result();
  const { name = "", truth } = row.dataset;
  const pairs = Array.from({ length: 5 }, (_, place) => classifications[name]?.[place] ?? ["", ""]);
  return [name, truth ? (labels[Number(truth)] ?? truth) : "", ...pairs.flat().map(String), unreadable[name] ?? ""];
}

/** @param {string} field */
function quoted(field) {
  return /[",\r\n]/.test(field) ? `"${field.replaceAll('"', '""')}"` : field;
}
