/** The data of a graph as the server sends them, and as uPlot takes them.

    The server speaks the form of C3: rows that begin with their id, some of which are the x values of
    others. uPlot wants one column of x values for all, and a column for each series. */

/**
 * @typedef {object} Curves
 * @property {(string | number | null)[][]} columns rows that begin with their id
 * @property {Record<string, string>} [xs] each curve's x column; without one its values are counted
 * @property {Record<string, string>} [names]
 * @property {Record<string, string>} [axes] `y2` for curves of the right axis
 *
 * Graphs of trainings also tell the seconds of training of each x column, how many iterations an
 * epoch has (of each x column, where they differ), and which colour and dashes a curve has where that
 * is not simply the next one.
 * @typedef {object} Training
 * @property {Record<string, number[]>} [times]
 * @property {number | Record<string, number>} [epoch_iterations]
 * @property {Record<string, {colour: number, dashes: number}>} [styles]
 * @property {string} [y_label] what the left axis counts, where that is not the loss
 *
 * Bars bring their categories beside the curves.
 * @typedef {Partial<Curves> & Training & {data?: Curves, categories?: string[]}} GraphData
 */

/**
 * @typedef {object} Series
 * @property {string} id
 * @property {string} name
 * @property {"y" | "y2"} axis
 * @property {number[]} x growing
 * @property {(number | null)[]} y
 * @property {number} colour the index of a custom property of tokens.css
 * @property {number} dashes 0 for a whole line
 */

/**
 * @param {GraphData} data
 * @returns {Curves}
 */
export function curvesOf(data) {
  const { columns = [], ...rest } = data.data ?? data;
  return { columns, ...rest };
}

/**
 * The curves one by one.
 * @param {GraphData} data
 * @returns {Series[]}
 */
export function seriesOf(data) {
  const { columns, xs = {}, names = {}, axes = {} } = curvesOf(data);
  const byId = new Map(columns.map(([id, ...values]) => [String(id), values]));
  const places = new Set(Object.values(xs));
  const curves = [...byId].filter(([id]) => !places.has(id));
  return curves.map(([id, values], index) => ({
    id,
    name: names[id] ?? id,
    axis: axes[id] === "y2" ? "y2" : "y",
    x: (byId.get(xs[id] ?? "") ?? values.map((_, place) => place)).map(Number),
    y: values.map((value) => (value === null ? null : Number(value))),
    colour: data.styles?.[id]?.colour ?? index,
    dashes: data.styles?.[id]?.dashes ?? 0,
  }));
}

/**
 * The columns that uPlot draws: the x values of all series, then the values of each.
 * @param {Series[]} series
 * @returns {(number | null | undefined)[][]}
 */
export function alignedColumns(series) {
  const places = [...new Set(series.flatMap(({ x }) => x))].sort((one, other) => one - other);
  const rows = new Map(places.map((place, row) => [place, row]));
  return [
    places,
    ...series.map(({ x, y }) => {
      const column = new Array(places.length);
      x.forEach((place, index) => (column[/** @type {number} */ (rows.get(place))] = y[index] ?? undefined));
      return column;
    }),
  ];
}
