/** How a graph of a training is looked at: what its x axis counts, a log scale, smoothed curves. */

import { element } from "../web/dom.js";

/** @typedef {import("./data.js").GraphData} GraphData */

/**
 * @typedef {object} View
 * @property {"epoch" | "iteration" | "time"} axis what x counts; time is seconds of training
 * @property {boolean} log whether losses stand on a logarithmic axis
 * @property {number} smoothing 0 for none, up to 1: the share of the past in each point
 * @property {boolean} whole whether the x axis has room for all planned epochs, or ends where the data do
 */

/** @returns {View} */
export function plainView() {
  return { axis: "epoch", log: false, smoothing: 0, whole: false };
}

/**
 * Controls for a view, which change it and call `changed`.
 * @param {View} view
 * @param {() => void} changed
 */
export function viewControls(view, changed) {
  const axis = /** @type {HTMLSelectElement} */ (
    element(
      "select",
      { class: "form-select form-select-sm", "aria-label": "What the graph runs along" },
      element("option", { value: "epoch" }, "Epochs"),
      element("option", { value: "iteration" }, "Iterations"),
      element("option", { value: "time" }, "Time"),
    )
  );
  const log = /** @type {HTMLInputElement} */ (element("input", { type: "checkbox", class: "form-check-input" }));
  const whole = /** @type {HTMLInputElement} */ (element("input", { type: "checkbox", class: "form-check-input" }));
  const smoothing = /** @type {HTMLInputElement} */ (
    element("input", { type: "range", min: "0", max: "0.98", step: "0.02", value: "0", class: "form-range" })
  );
  const update = () => {
    view.axis = /** @type {View["axis"]} */ (axis.value);
    view.log = log.checked;
    view.whole = whole.checked;
    view.smoothing = Number(smoothing.value);
    changed();
  };
  for (const control of [axis, log, whole, smoothing]) control.addEventListener("input", update);
  return element(
    "div",
    { class: "graph-controls" },
    axis,
    element("label", {}, log, " Log scale"),
    element("label", { "data-graph-whole": "" }, whole, " Whole training"),
    element("label", {}, "Smoothing ", smoothing),
  );
}

/**
 * The data as a view shows it.
 * @param {GraphData} data
 * @param {View} view
 * @returns {GraphData}
 */
export function seenAs(data, view) {
  const { columns = [], xs = {}, axes = {} } = data;
  const xNames = new Set(Object.values(xs));
  return {
    ...data,
    columns: columns.map(([id, ...values]) => {
      const name = String(id);
      if (xNames.has(name)) return [name, ...xValues(name, values, data, view)];
      let shown = view.smoothing > 0 ? smoothed(values, view.smoothing) : values;
      if (view.log && axes[name] !== "y2") shown = shown.map((value) => (Number(value) > 0 ? value : null));
      return [name, ...shown];
    }),
  };
}

/**
 * @param {string} name
 * @param {(string | number | null)[]} epochs
 * @param {GraphData} data
 * @param {View} view
 */
function xValues(name, epochs, data, view) {
  if (view.axis === "iteration") {
    const { epoch_iterations: length = 1 } = data;
    const iterations = typeof length === "number" ? length : length[name];
    return epochs.map((epoch) => Math.round(Number(epoch) * iterations));
  }
  if (view.axis === "time") return data.times?.[name] ?? epochs;
  return epochs;
}

/**
 * Exponential moving averages; the first ones are not drawn towards zero.
 * @param {(string | number | null)[]} values
 * @param {number} past
 * @returns {(number | null)[]}
 */
function smoothed(values, past) {
  let sum = 0;
  let weight = 0;
  return values.map((value) => {
    if (value === null) return null;
    sum = past * sum + (1 - past) * Number(value);
    weight = past * weight + (1 - past);
    return sum / weight;
  });
}
