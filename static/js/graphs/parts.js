/** What stands around a drawn graph: the names of its curves, "Show all", and a graph in words for
    those who cannot see it. */

import { element } from "../web/dom.js";
import { COLOURS } from "./plot.js";
import { number } from "../web/numbers.js";

/** @typedef {import("./kinds.js").Plot} Plot */
/** @typedef {import("./plot.js").Reading} Reading */

const MOST_BARS_IN_WORDS = 100;

/**
 * A button for each curve, which hides it and brings it back.
 * @param {Plot} plot
 * @param {Reading} reading
 * @param {(id: string) => void} toggled
 */
export function legend(plot, reading, toggled) {
  const buttons = plot.series.map(({ id, name, colour, dashes }) => {
    const swatch = element("span", { class: `swatch swatch-${colour % COLOURS}${dashes ? " swatch-dashed" : ""}` });
    const button = element("button", { type: "button", "aria-pressed": String(!reading.hidden.has(id)) }, swatch, name);
    button.addEventListener("click", () => {
      toggled(id);
      button.setAttribute("aria-pressed", String(!reading.hidden.has(id)));
    });
    return button;
  });
  return element("div", { class: "graph-legend", role: "group", "aria-label": "Curves" }, ...buttons);
}

/**
 * The graph as a sentence about its x axis, and one a curve.
 * @param {Plot} plot
 */
export function words(plot) {
  const { range, title } = plot.x;
  const place = plot.bars ? [] : [`From ${title(range[0])} to ${title(range[1])}.`];
  return [...place, ...plot.series.map((series) => (plot.bars ? barWords(series, plot) : curveWords(series, plot)))].join(" ");
}

/**
 * @param {import("./kinds.js").Series} series
 * @param {Plot} plot
 */
function curveWords({ name, axis, x, y }, plot) {
  const known = y.flatMap((value, index) => (value === null ? [] : [{ value, place: x[index] }]));
  const last = known.at(-1);
  if (!last) return `${name}: no value yet.`;
  const values = known.map(({ value }) => value);
  const unit = axis === "y2" ? "%" : "";
  const [low, high] = [Math.min(...values), Math.max(...values)].map((value) => number(value) + unit);
  return `${name}: ${known.length} points from ${low} to ${high}; the last is ${number(last.value)}${unit}, ${plot.x.title(last.place)}.`;
}

/**
 * @param {import("./kinds.js").Series} series
 * @param {Plot} plot
 */
function barWords({ name, y }, plot) {
  const bars = y.slice(0, MOST_BARS_IN_WORDS).map((value, index) => `${plot.x.title(index)} ${value ?? 0}`);
  const more = y.length - bars.length;
  return `${name}: ${bars.join(", ")}${more > 0 ? ` and ${more} more` : ""}.`;
}
