/** The values under the pointer, as a small table beside it. */

import { element } from "../web/dom.js";
import { number } from "../web/numbers.js";
import { COLOURS } from "./plot.js";

/** @typedef {import("./kinds.js").Plot} Plot */

// A value further away than this has its own place written beside it.
const NEAR_PX = 6;
const DISTANCE_PX = 14;

/** The table of one graph; it follows uPlot's cursor. */
export class Tooltip {
  constructor() {
    this.box = element("div", { class: "graph-tooltip", hidden: "", role: "status" });
  }

  /**
   * Show what is at the cursor; nothing when the pointer has left.
   * @param {any} u the uPlot
   * @param {Plot} plot
   */
  follow(u, plot) {
    const { idx, idxs, left } = u.cursor;
    const rows = left < 0 || idx === null || idx === undefined ? [] : rowsAt(u, plot, idxs, u.data[0][idx]);
    this.box.hidden = rows.length === 0;
    if (!rows.length) return;
    const title = element("th", { colspan: "2", scope: "colgroup" }, plot.x.title(u.data[0][idx]));
    this.box.replaceChildren(element("table", {}, element("tr", {}, title), ...rows));
    this.place(u, left, curvesAt(u, plot, idxs));
  }

  /**
   * Beside the cursor, on the side that has more room; above or below the curves, where they leave the most.
   * @param {any} u
   * @param {number} left
   * @param {number[]} curves where the curves are there, in pixels from the top
   */
  place(u, left, curves) {
    const { offsetLeft, offsetTop, clientWidth, clientHeight } = u.over;
    const isRight = left > clientWidth / 2;
    const x = offsetLeft + left + (isRight ? -DISTANCE_PX - this.box.offsetWidth : DISTANCE_PX);
    this.box.style.left = `${Math.max(0, x)}px`;
    const lowest = Math.max(8, clientHeight - this.box.offsetHeight - 8);
    this.box.style.top = `${offsetTop + freest(curves, this.box.offsetHeight, lowest)}px`;
  }
}

/**
 * The heights of the curves' points at the cursor.
 * @param {any} u
 * @param {Plot} plot
 * @param {(number | null)[]} indices
 * @returns {number[]}
 */
function curvesAt(u, plot, indices) {
  return plot.series.flatMap(({ axis }, place) => {
    const row = indices[place + 1];
    const value = row === null || row === undefined ? undefined : u.data[place + 1][row];
    if (value === undefined || value === null || !u.series[place + 1].show) return [];
    return [u.valToPos(value, axis)];
  });
}

/**
 * Where a box hides the fewest curves: at the top, at the bottom, or between; pixels from the top.
 * @param {number[]} curves
 * @param {number} height
 * @param {number} lowest
 */
export function freest(curves, height, lowest) {
  const places = [8, lowest, lowest / 2, lowest / 4, (3 * lowest) / 4];
  const hidden = places.map((top) => curves.filter((y) => y > top - 6 && y < top + height + 6).length);
  return places[hidden.indexOf(Math.min(...hidden))];
}

/**
 * @param {any} u
 * @param {Plot} plot
 * @param {(number | null)[]} indices the row of each of uPlot's series
 * @param {number} x
 */
function rowsAt(u, plot, indices, x) {
  return plot.series.flatMap((series, place) => {
    const row = indices[place + 1];
    const value = row === null || row === undefined ? undefined : u.data[place + 1][row];
    if (value === undefined || value === null || !u.series[place + 1].show) return [];
    const own = u.data[0][/** @type {number} */ (row)];
    const isNear = Math.abs(u.valToPos(own, "x") - u.valToPos(x, "x")) <= NEAR_PX || plot.bars;
    return [
      element(
        "tr",
        {},
        element("td", {}, element("span", { class: `swatch swatch-${series.colour % COLOURS}` }), series.name),
        element(
          "td",
          { class: "number" },
          `${number(value)}${series.axis === "y2" ? "%" : ""}`,
          ...(isNear ? [] : [element("span", { class: "muted" }, ` at ${plot.x.tick(own)}`)]),
        ),
      ),
    ];
  });
}
