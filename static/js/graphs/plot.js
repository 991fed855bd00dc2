/** From what a graph shows to what uPlot draws: scales, axes, lines and bars, in the theme's colours. */

import { number } from "../web/numbers.js";

/** @typedef {import("./kinds.js").Plot} Plot */
/** @typedef {import("./kinds.js").Series} Series */

/**
 * What the reader has made of a graph, which stays when newer data come.
 * @typedef {object} Reading
 * @property {[number, number] | null} zoom the part of the x axis that is looked at
 * @property {Set<string>} hidden ids of the series that are switched off
 */

/** How many `--graph-N` colours tokens.css has. */
export const COLOURS = 10;
const DASHES = [[], [6, 4], [2, 3], [10, 4, 2, 4]];
const LINE_WIDTH = 1.75;
const WIDEST_BAR = 48;
const NEAREST_TICKS = 56;
const LINES_NEAREST = 28;
const NEAREST_POINTS = 10;

/**
 * Options for `new uPlot`.
 * @param {Plot} plot
 * @param {Reading} reading
 * @param {{width: number, height: number}} size
 * @param {object} hooks
 */
export function plotOptions(plot, reading, size, hooks) {
  const ink = inks();
  const hasRight = plot.series.some(({ axis }) => axis === "y2");
  return {
    ...size,
    padding: [10, hasRight ? 0 : 20, 0, 0],
    legend: { show: false },
    focus: { alpha: 1 },
    cursor: {
      y: false,
      points: { size: 7 },
      drag: { x: plot.zooms, y: false, setScale: false },
      dataIdx: nearestKnown,
    },
    scales: {
      x: { time: false, range: () => reading.zoom ?? plot.x.range },
      y: { distr: plot.log ? 3 : 1, range: leftRange(plot, reading) },
      y2: { range: rightRange(reading) },
    },
    axes: [xAxis(plot, ink), yAxis(plot, ink), rightAxis(hasRight, ink)],
    series: [{}, ...plot.series.map((series, index) => drawnSeries(series, index, plot, reading))],
    hooks,
  };
}

/**
 * @param {Series} series as it is now; its values change with the plot
 * @param {number} index
 * @param {Plot} plot
 * @param {Reading} reading
 */
function drawnSeries(series, index, plot, reading) {
  const stroke = colour(`--graph-${series.colour % COLOURS}`);
  const common = { label: series.name, scale: series.axis, stroke, show: !reading.hidden.has(series.id) };
  if (plot.bars) {
    const paths = window.uPlot.paths.bars({ size: [0.75 / plot.series.length, WIDEST_BAR] });
    return { ...common, fill: stroke, width: 0, paths, points: { show: false } };
  }
  return {
    ...common,
    width: LINE_WIDTH,
    dash: DASHES[series.dashes % DASHES.length],
    spanGaps: true,
    // Points are told apart, or none is shown; one alone has no line.
    points: {
      size: 5,
      fill: stroke,
      show: (/** @type {any} */ u) => {
        const count = plot.series[index].x.length;
        return count === 1 || count * NEAREST_POINTS < u.over.clientWidth;
      },
    },
  };
}

/**
 * @param {Plot} plot
 * @param {Reading} reading
 */
function leftRange(plot, reading) {
  return (/** @type {any} */ u, /** @type {number | null} */ low, /** @type {number | null} */ high) => {
    if (low === null || high === null) return plot.log ? [0.1, 1] : [0, 1];
    if (plot.log) return window.uPlot.rangeLog(low, high, 10, false);
    const bottom = reading.zoom ? low - 0.05 * (high - low) : Math.min(0, low);
    return [bottom, high > bottom ? high + 0.05 * (high - bottom) : bottom + (Math.abs(bottom) || 1)];
  };
}

/**
 * Percent, all of them; of a part of the x axis only what is there.
 * @param {Reading} reading
 */
function rightRange(reading) {
  return (/** @type {any} */ u, /** @type {number | null} */ low, /** @type {number | null} */ high) => {
    if (!reading.zoom || low === null || high === null || low === high) return [0, 100];
    const room = 0.05 * (high - low);
    return [Math.max(0, low - room), Math.min(100, high + room)];
  };
}

/**
 * @param {Plot} plot
 * @param {Ink} ink
 */
function xAxis({ x }, ink) {
  return {
    ...axisLook(ink),
    label: x.label || undefined,
    labelSize: x.label ? 20 : 0,
    size: x.slantedRoom ?? 28,
    rotate: x.slantedRoom ? -45 : 0,
    space: x.slantedRoom ? 18 : NEAREST_TICKS,
    grid: { show: false },
    values: (/** @type {any} */ u, /** @type {number[]} */ splits) => splits.map(x.tick),
    ...(x.steps && { incrs: x.steps }),
  };
}

/**
 * @param {Plot} plot
 * @param {Ink} ink
 */
function yAxis(plot, ink) {
  return {
    ...axisLook(ink),
    scale: "y",
    label: plot.yLabel,
    labelSize: 20,
    size: roomForNumbers,
    space: LINES_NEAREST,
    grid: { stroke: ink.line, width: 1, ...(plot.log && { filter: powersOfTen }) },
    ...(plot.log && { ticks: { ...axisLook(ink).ticks, filter: powersOfTen } }),
    values: (/** @type {any} */ u, /** @type {(number | null)[]} */ splits) => splits.map((y) => (y === null ? "" : number(y))),
    ...(plot.bars && { incrs: [1, 2, 5].flatMap((digit) => [1, 10, 100, 1e3, 1e4, 1e5, 1e6].map((ten) => digit * ten)).sort((a, b) => a - b) }),
  };
}

/**
 * Of the places on a logarithmic axis those that have a line.
 * @param {any} u
 * @param {number[]} places
 */
function powersOfTen(u, places) {
  return places.map((place) => (Number.isInteger(Math.round(1e6 * Math.log10(place)) / 1e6) ? place : null));
}

/**
 * @param {boolean} show
 * @param {Ink} ink
 */
function rightAxis(show, ink) {
  return {
    ...axisLook(ink),
    show,
    scale: "y2",
    side: 1,
    label: "Accuracy (%)",
    labelSize: 20,
    size: roomForNumbers,
    space: LINES_NEAREST,
    grid: { show: false },
    values: (/** @type {any} */ u, /** @type {number[]} */ splits) => splits.map(number),
  };
}

/**
 * Pixels for the longest number of an axis.
 * @param {any} u
 * @param {string[] | null} values
 */
function roomForNumbers(u, values) {
  const longest = Math.max(0, ...(values ?? []).map((value) => value.length));
  return 16 + 6.5 * longest;
}

/** @typedef {{soft: string, line: string, strong: string, font: string}} Ink */

/** @returns {Ink} */
function inks() {
  const font = `12px ${getComputedStyle(document.body).fontFamily}`;
  return { soft: colour("--ink-soft"), line: colour("--line"), strong: colour("--line-strong"), font };
}

/** @param {Ink} ink */
function axisLook(ink) {
  return {
    stroke: ink.soft,
    font: ink.font,
    labelFont: ink.font,
    ticks: { stroke: ink.strong, width: 1, size: 5 },
    border: { show: true, stroke: ink.strong, width: 1 },
  };
}

/**
 * A colour of the present theme.
 * @param {string} property
 */
function colour(property) {
  return getComputedStyle(document.documentElement).getPropertyValue(property).trim();
}

/**
 * The row nearest to the pointer in which a series has a value: not every row has one of each.
 * @param {any} u
 * @param {number} seriesIndex
 * @param {number} row
 * @param {number} x
 */
function nearestKnown(u, seriesIndex, row, x) {
  const [places, ...columns] = u.data;
  const column = seriesIndex ? columns[seriesIndex - 1] : places;
  const known = (/** @type {number} */ at) => column[at] !== null && column[at] !== undefined;
  if (known(row)) return row;
  let before = row;
  let after = row;
  while (before >= 0 && !known(before)) before -= 1;
  while (after < places.length && !known(after)) after += 1;
  if (before < 0) return after < places.length ? after : null;
  if (after >= places.length) return before;
  return x - places[before] <= places[after] - x ? before : after;
}
