/** How times are written: moments in the reader's time zone, spans in their two largest units. */

const UNITS = [
  ["day", 86400],
  ["hour", 3600],
  ["minute", 60],
  ["second", 1],
];

const TIME = new Intl.DateTimeFormat(undefined, { timeStyle: "medium" });
const DAY_AND_TIME = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
const IN_FULL = new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "long" });

/**
 * Write every `<time data-moment>` below `root` in local time: today's as a time of day.
 * @param {ParentNode} root
 */
export function writeMoments(root) {
  const today = new Date().toDateString();
  for (const element of root.querySelectorAll("time[data-moment]")) {
    const moment = new Date(element.getAttribute("datetime") ?? "");
    if (Number.isNaN(moment.getTime())) continue;
    const format = moment.toDateString() === today ? TIME : DAY_AND_TIME;
    element.textContent = format.format(moment);
    element.setAttribute("title", IN_FULL.format(moment));
  }
}

/**
 * A moment as text, with its day.
 * @param {string} moment as ISO 8601 has it
 * @returns {string}
 */
export function dayAndTime(moment) {
  return DAY_AND_TIME.format(new Date(moment));
}

/**
 * A time span, such as `1 hour, 5 minutes`.
 * @param {number} seconds
 * @returns {string}
 */
export function duration(seconds) {
  let left = Math.max(0, Math.round(seconds));
  if (left === 0) return "0 seconds";
  const parts = [];
  for (const [name, size] of UNITS) {
    const count = Math.floor(left / Number(size));
    left %= Number(size);
    if (count) parts.push(`${count} ${name}${count === 1 ? "" : "s"}`);
  }
  return parts.slice(0, 2).join(", ");
}
