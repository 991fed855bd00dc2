/** Numbers as graphs and tables write them. */

/**
 * A number in four significant digits at most.
 * @param {number} value
 */
export function number(value) {
  return String(Number(value.toPrecision(4)));
}
