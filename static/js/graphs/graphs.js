/** The graphs of a page: uPlot is loaded when there is something to draw.

    A graph is a `[data-graph]` figure with its data in a JSON block beside it; messages and refreshed
    pages bring newer data. Its kinds stand in kinds.js. */

import { afterQuiet, all, element } from "../web/dom.js";
import { plainView, seenAs, viewControls } from "./controls.js";
import { alignedColumns, curvesOf } from "./data.js";
import { zoomByKeys } from "./keys.js";
import { plotFor } from "./kinds.js";
import { legend, words } from "./parts.js";
import { plotOptions } from "./plot.js";
import { Tooltip } from "./tooltip.js";

/** @typedef {import("./data.js").GraphData} GraphData */

const LIBRARY = new URL("../../vendor/uplot/", import.meta.url);
const SHORTEST_DRAG_PX = 5;

/** @type {Promise<void> | undefined} */
let library;

/** One figure of the page. */
export class Graph {
  /** @param {HTMLElement} figure */
  constructor(figure) {
    this.figure = figure;
    this.kind = figure.dataset.graph ?? "";
    this.key = figure.dataset.graphKey ?? "";
    this.area = /** @type {HTMLElement} */ (figure.querySelector("[data-graph-area]"));
    /** @type {any} */
    this.chart = undefined;
    /** @type {import("./kinds.js").Plot | undefined} */
    this.plot = undefined;
    /** @type {GraphData | null} */
    this.data = null;
    this.view = plainView();
    /** @type {import("./plot.js").Reading} */
    this.reading = { zoom: null, hidden: new Set() };
    this.hasControls = "graphControls" in figure.dataset;
    this.tooltip = new Tooltip();
    this.legend = element("div");
    this.words = element("p", { class: "visually-hidden", "data-graph-words": "" });
    this.showAll = element("button", { type: "button", class: "btn btn-sm btn-outline-secondary graph-show-all", hidden: "" }, "Show all");
    this.showAll.addEventListener("click", () => this.zoomTo(null));
    this.area.after(this.legend, this.words);
    if (this.hasControls) {
      figure.prepend(viewControls(this.view, afterQuiet(() => this.changeView(), 50)));
    }
    new ResizeObserver(afterQuiet(() => this.fit(), 50)).observe(this.area);
    this.area.setAttribute("role", "group");
    this.area.setAttribute("aria-label", `${figure.getAttribute("aria-label")}. Arrow keys read the values; plus and minus zoom.`);
    zoomByKeys(this);
  }

  /** @param {GraphData | null} data in C3's form */
  async show(data) {
    if (data === null || !(curvesOf(data).columns[0]?.length > 1)) return;
    // A refreshed page often brings what is shown already.
    if (JSON.stringify(data) === JSON.stringify(this.data)) return;
    this.data = data;
    await loadLibrary();
    if (this.data !== data) return; // newer data came while the library was on its way
    this.figure.classList.remove("graph-empty");
    this.update();
  }

  /** Show the present data: in the chart that is there, or in a new one when its curves are others. */
  update() {
    const before = this.plot;
    this.plot = this.present();
    if (!this.chart || !before || !sameSeries(before, this.plot)) {
      this.draw();
      return;
    }
    Object.assign(before.x, this.plot.x); // the chart's options hold on to it
    before.series = this.plot.series;
    this.plot = before;
    this.chart.setData(alignedColumns(this.plot.series));
    this.words.textContent = words(this.plot);
    this.offerWhole();
  }

  /** The switch to the whole training is there while something of it is still to come. */
  offerWhole() {
    const { range, planned = 0 } = /** @type {import("./kinds.js").Plot} */ (this.plot).x;
    const isMore = this.view.whole || planned > range[1] * 1.001;
    for (const control of all("[data-graph-whole]", this.figure)) control.hidden = !isMore;
  }

  /** What is to be drawn, as the reader wants to see it. */
  present() {
    const data = /** @type {GraphData} */ (this.data);
    const shown = this.hasControls ? seenAs(data, this.view) : data;
    return plotFor(this.kind, shown, this.figure.dataset, this.view);
  }

  /** Another axis or scale: what was zoomed to may mean something else now. */
  changeView() {
    if (!this.chart) return;
    this.reading.zoom = null;
    this.plot = this.present();
    this.draw();
  }

  /** Draw anew: at first, when curves come or go, and when colours or the view change. */
  draw() {
    const plot = this.plot;
    if (!plot) return;
    this.chart?.destroy();
    const hooks = {
      setCursor: [(/** @type {any} */ u) => this.tooltip.follow(u, plot)],
      setSelect: [(/** @type {any} */ u) => this.zoomToSelection(u)],
    };
    this.chart = new window.uPlot(plotOptions(plot, this.reading, this.size(), hooks), alignedColumns(plot.series), this.area);
    this.area.append(this.tooltip.box, this.showAll);
    this.showAll.hidden = this.reading.zoom === null;
    this.area.tabIndex = 0;
    const names = plot.legend ? legend(plot, this.reading, (id) => this.toggle(id)) : element("div");
    this.legend.replaceWith(names);
    this.legend = names;
    this.words.textContent = words(plot);
    this.offerWhole();
  }

  size() {
    return { width: Math.max(80, this.area.clientWidth), height: Math.max(80, this.area.clientHeight) };
  }

  /** Take the size that the page gives. */
  fit() {
    const { width, height } = this.size();
    if (this.chart && (this.chart.width !== width || this.chart.height !== height)) this.chart.setSize({ width, height });
  }

  /** @param {string} id the curve to hide, or to bring back */
  toggle(id) {
    const { hidden } = this.reading;
    if (!hidden.delete(id)) hidden.add(id);
    const place = this.plot?.series.findIndex((series) => series.id === id) ?? -1;
    this.chart.setSeries(place + 1, { show: !hidden.has(id) });
  }

  /** @param {any} u */
  zoomToSelection(u) {
    const { left, width } = u.select;
    if (width < SHORTEST_DRAG_PX) return;
    u.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
    this.zoomTo([u.posToVal(left, "x"), u.posToVal(left + width, "x")]);
  }

  /** @param {[number, number] | null} part of the x axis; null: all of it */
  zoomTo(part) {
    if (!this.chart || !this.plot?.zooms) return;
    this.reading.zoom = part;
    this.showAll.hidden = part === null;
    const [min, max] = part ?? this.plot.x.range;
    this.chart.setScale("x", { min, max });
  }
}

/** @type {Graph[]} */
const graphs = [];

/**
 * Draw the page's graphs, and keep them up to date with refreshed pages and chosen colours.
 * @param {(data: GraphData | null) => GraphData | null} prepared what is drawn of the page's data
 */
export function watchGraphs(prepared = (data) => data) {
  for (const figure of all("[data-graph]")) {
    const graph = new Graph(figure);
    graphs.push(graph);
    graph.show(prepared(dataOf(figure)));
  }
  document.addEventListener("digits:refreshed", (event) => {
    const fresh = /** @type {CustomEvent<Document>} */ (event).detail;
    for (const figure of all("[data-graph]", fresh)) {
      updateGraphs(figure.dataset.graph ?? "", figure.dataset.graphKey ?? "", prepared(dataOf(figure)));
    }
  });
  document.addEventListener("digits:theme", afterQuiet(() => graphs.forEach((graph) => graph.draw()), 0));
}

/**
 * Show newer data in the graphs of this kind and key.
 * @param {string} kind
 * @param {string} key the task's id; graphs without a key take any
 * @param {GraphData | null} data
 */
export function updateGraphs(kind, key, data) {
  for (const graph of graphs) {
    if (graph.kind === kind && (graph.key === "" || graph.key === key)) graph.show(data);
  }
}

/**
 * @param {Element} figure
 * @returns {GraphData | null}
 */
function dataOf(figure) {
  return JSON.parse(figure.querySelector("[data-graph-data]")?.textContent || "null");
}

/** @returns {Promise<void>} then there is `window.uPlot` */
function loadLibrary() {
  library ??= new Promise((resolve, reject) => {
    const style = element("link", { rel: "stylesheet", href: `${LIBRARY}uPlot.min.css` });
    document.head.prepend(style); // before ours, which have the last word
    const script = element("script", { src: `${LIBRARY}uPlot.iife.min.js` });
    script.addEventListener("load", () => resolve());
    script.addEventListener("error", () => reject(new Error("uPlot could not be loaded")));
    document.head.append(script);
  });
  return library;
}

/**
 * Whether two plots have the same curves, drawn alike.
 * @param {import("./kinds.js").Plot} one
 * @param {import("./kinds.js").Plot} other
 */
function sameSeries(one, other) {
  const looks = [one, other].map(({ series }) => JSON.stringify(series.map(({ id, name, axis, colour }) => [id, name, axis, colour])));
  return looks[0] === looks[1];
}
