/** What each kind of graph shows: its series, and what its axes mean. How that is drawn stands in
    plot.js. */

import { seriesOf } from "./data.js";
import { number } from "../web/numbers.js";

/** @typedef {import("./data.js").GraphData} GraphData */
/** @typedef {import("./data.js").Series} Series */
/** @typedef {import("./controls.js").View} View */

/**
 * @typedef {object} Axis the x axis
 * @property {string} label
 * @property {[number, number]} range
 * @property {(x: number) => string} tick the words at a place on the axis
 * @property {(x: number) => string} title the words for a place, alone
 * @property {number} [planned] where the planned training ends, when that is known
 * @property {number[]} [steps] what lies between two ticks
 * @property {number} [slantedRoom] pixels for labels that would not fit side by side
 *
 * @typedef {object} Plot
 * @property {Series[]} series
 * @property {Axis} x
 * @property {string} yLabel
 * @property {boolean} log
 * @property {boolean} bars
 * @property {boolean} zooms
 * @property {boolean} legend
 */

const PLAIN = { yLabel: "", log: false, bars: false, zooms: false, legend: false };
const WHOLE_STEPS = [1, 2, 5].flatMap((digit) => [0, 1, 2, 3, 4, 5, 6, 7].map((power) => digit * 10 ** power)).sort((a, b) => a - b);
const CLOCK_STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 21600, 43200, 86400, 172800, 432000];

/** @type {Record<string, (data: GraphData, settings: DOMStringMap, view: View) => Plot>} */
const KINDS = {
  distribution,
  combined_graph: (data, settings, view) => {
    const series = seriesOf(data);
    return { ...PLAIN, series, x: fitted(X_AXES[view.axis](series, settings, data), view), yLabel: data.y_label ?? "Loss", log: view.log, zooms: true, legend: true };
  },
  lr_graph: (data, settings, view) => {
    const series = seriesOf(data);
    return { ...PLAIN, series, x: fitted(X_AXES.epoch(series, settings, data), view), yLabel: "Learning rate", zooms: true };
  },
  lr_preview: (data) => ({
    ...PLAIN,
    series: seriesOf(data),
    yLabel: "Learning rate",
    x: { label: "Training (%)", range: [0, 100], tick: number, title: (percent) => `${percent}% of the training` },
  }),
};

/** @type {Record<View["axis"], (series: Series[], settings: DOMStringMap, data: GraphData) => Axis>} */
const X_AXES = {
  epoch: (series, settings) => ({
    label: "Epoch",
    range: [0, lastOf(series)],
    planned: Number(settings.graphEpochs),
    tick: number,
    title: (x) => `Epoch ${number(x)}`,
  }),
  iteration: (series, settings, data) => ({
    label: "Iteration",
    range: [0, lastOf(series)],
    planned: Number(settings.graphEpochs) * plannedLength(data),
    tick: number,
    title: (x) => `Iteration ${Math.round(x)}`,
  }),
  time: (series) => ({ label: "Time of training", range: [0, lastOf(series)], tick: clock, title: clock, steps: CLOCK_STEPS }),
};

/**
 * An axis that ends where the data do: a young, paused or failed training would be a sliver of the whole.
 * @param {Axis} axis
 * @param {View} view
 * @returns {Axis}
 */
function fitted(axis, view) {
  const [start, last] = axis.range;
  return view.whole && axis.planned ? { ...axis, range: [start, Math.max(last, axis.planned)] } : axis;
}

/**
 * The most iterations that an epoch of the graph's trainings has.
 * @param {GraphData} data
 */
function plannedLength({ epoch_iterations: length = 0 }) {
  return typeof length === "number" ? length : Math.max(0, ...Object.values(length));
}

/**
 * @param {string} kind
 * @param {GraphData} data
 * @param {DOMStringMap} settings the figure's data attributes; `data-graph-epochs` is the length of the training
 * @param {View} view
 * @returns {Plot}
 */
export function plotFor(kind, data, settings, view) {
  return KINDS[kind](data, settings, view);
}

/**
 * Pictures of each category, as bars; those of several series stand side by side.
 * @param {GraphData} data
 * @returns {Plot}
 */
function distribution(data) {
  const categories = data.categories ?? [];
  const series = seriesOf(data);
  const width = 0.75 / series.length;
  const labels = categories.map(shortened);
  const longest = Math.max(0, ...labels.map((label) => label.length));
  return {
    ...PLAIN,
    series: series.map((each, index) => ({ ...each, x: each.x.map((x) => x + (index - (series.length - 1) / 2) * width) })),
    bars: true,
    legend: series.length > 1,
    yLabel: "Pictures",
    x: {
      label: "",
      range: [-0.5, Math.max(1, categories.length) - 0.5],
      tick: (x) => labels[x] ?? "",
      title: (x) => categories[Math.round(x)] ?? "",
      steps: WHOLE_STEPS,
      ...(longest * labels.length > 60 && { slantedRoom: 20 + 4.5 * longest }),
    },
  };
}

/** @param {string} name */
function shortened(name) {
  const LONGEST = 14;
  return name.length > LONGEST ? `${name.slice(0, LONGEST - 1)}…` : name;
}

/** @param {Series[]} series */
function lastOf(series) {
  return Math.max(0, ...series.map(({ x }) => x[x.length - 1] ?? 0)) || 1;
}

/**
 * Seconds as h:mm:ss, or m:ss.
 * @param {number} seconds
 */
function clock(seconds) {
  const [hours, minutes, rest] = [seconds / 3600, (seconds / 60) % 60, seconds % 60].map(Math.floor);
  const two = (/** @type {number} */ count) => String(count).padStart(2, "0");
  return hours ? `${hours}:${two(minutes)}:${two(rest)}` : `${minutes}:${two(rest)}`;
}
