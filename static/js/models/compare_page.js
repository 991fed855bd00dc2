/** The page that compares models: whose curves are drawn, and of which measures. */

import { all, need } from "../web/dom.js";
import { updateGraphs, watchGraphs } from "../graphs/graphs.js";
import { refresh } from "../web/refresh.js";
import { listen } from "../web/sockets.js";

/** @typedef {import("../graphs/data.js").GraphData} GraphData */
/** @typedef {GraphData & {series: Record<string, {model: number, measure: string}>}} ComparedData */

// While a model trains, its curves come with the whole page: not more often than this.
const REFRESH_EVERY_MS = 2000;
const RATE = "learning rate"; // as in digits/model/compare/tables.py

const ids = new Set((need("[data-compared]").dataset.compared ?? "").split(","));
const measures = need("[data-measures]");
/** @type {ComparedData | null} */
let latest = null;

watchGraphs((data) => {
  latest = /** @type {ComparedData | null} */ (data);
  return chosen();
});
measures.addEventListener("change", (event) => {
  // A graph of nothing would help nobody: the last measure stays.
  if (!measures.querySelector(":checked")) /** @type {HTMLInputElement} */ (event.target).checked = true;
  updateGraphs("combined_graph", "", chosen());
});

let waiting = false;
listen("/home", {
  caughtUp: refresh,
  jobUpdate: ({ job_id }) => {
    if (waiting || !ids.has(job_id)) return;
    waiting = true;
    setTimeout(() => {
      waiting = false;
      refresh();
    }, REFRESH_EVERY_MS);
  },
});

/**
 * The curves of the measures that are ticked: a colour a model, dashes from the second measure on.
 * @returns {GraphData | null}
 */
function chosen() {
  if (!latest) return null;
  const boxes = /** @type {HTMLInputElement[]} */ (all("input", measures));
  const ticked = boxes.filter((box) => box.checked).map((box) => box.value);
  const { columns = [], xs = {}, series, ...rest } = latest;
  const kept = Object.keys(series).filter((id) => ticked.includes(series[id].measure));
  const onLeft = ticked.filter((measure) => !measure.startsWith("accuracy"));
  const needed = new Set(kept.flatMap((id) => [id, xs[id]]));
  return {
    ...rest,
    columns: columns.filter(([id]) => needed.has(String(id))),
    y_label: onLeft.length === 1 && onLeft[0] === RATE ? "Learning rate" : "Loss",
    xs: Object.fromEntries(kept.map((id) => [id, xs[id]])),
    styles: Object.fromEntries(
      kept.map((id) => [id, { colour: series[id].model, dashes: ticked.indexOf(series[id].measure) }]),
    ),
  };
}
