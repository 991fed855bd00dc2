/** A graph by the keyboard: arrows read its values, plus and minus zoom, Escape shows all again. */

/** @typedef {import("./graphs.js").Graph} Graph */

const ZOOM_STEP = 2;

/** @param {Graph} graph */
export function zoomByKeys(graph) {
  graph.area.addEventListener("keydown", (event) => {
    if (event.target !== graph.area || !graph.chart || event.ctrlKey || event.metaKey || event.altKey) return;
    const act = actions(graph)[event.key];
    if (!act) return;
    event.preventDefault();
    act();
  });
  graph.area.addEventListener("blur", () => graph.chart?.setCursor({ left: -10, top: -10 }));
}

/**
 * @param {Graph} graph
 * @returns {Record<string, (() => void) | undefined>}
 */
function actions(graph) {
  const last = graph.chart.data[0].length - 1;
  const present = graph.chart.cursor.left >= 0 ? (graph.chart.cursor.idx ?? last) : last;
  return {
    ArrowLeft: () => read(graph, present - 1),
    ArrowRight: () => read(graph, present + 1),
    Home: () => read(graph, 0),
    End: () => read(graph, last),
    "+": () => zoom(graph, present, 1 / ZOOM_STEP),
    "-": () => zoom(graph, present, ZOOM_STEP),
    // Without zoom, Escape is left to whoever else wants it.
    Escape: graph.reading.zoom ? () => graph.zoomTo(null) : undefined,
  };
}

/**
 * Show the values at a row of the data.
 * @param {Graph} graph
 * @param {number} row
 */
function read(graph, row) {
  const { chart } = graph;
  const places = chart.data[0];
  const x = places[Math.max(0, Math.min(places.length - 1, row))];
  const left = Math.max(0, Math.min(chart.over.clientWidth, chart.valToPos(x, "x")));
  chart.setCursor({ left, top: chart.over.clientHeight / 2 });
}

/**
 * Look at a smaller or larger part of the x axis, around a row.
 * @param {Graph} graph
 * @param {number} row
 * @param {number} factor
 */
function zoom(graph, row, factor) {
  const { chart, plot } = graph;
  if (!plot?.zooms) return;
  const [start, end] = plot.x.range;
  const { min, max } = chart.scales.x;
  const width = (max - min) * factor;
  if (width >= end - start) {
    graph.zoomTo(null);
    return;
  }
  const middle = chart.data[0][row];
  const from = Math.max(start, Math.min(end - width, middle - width / 2));
  graph.zoomTo([from, from + width]);
}
