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
    this.place(u, left);
  }

  /**
   * Beside the cursor, on the side that has more room.
   * @param {any} u
   * @param {number} left
   */
  place(u, left) {
    const { offsetLeft, offsetTop, clientWidth } = u.over;
    const isRight = left > clientWidth / 2;
    const x = offsetLeft + left + (isRight ? -DISTANCE_PX - this.box.offsetWidth : DISTANCE_PX);
    this.box.style.left = `${Math.max(0, x)}px`;
    this.box.style.top = `${offsetTop + 8}px`;
  }
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
