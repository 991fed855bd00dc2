/** How times are written: moments as long ago as they are, spans in their two largest units. */

const UNITS = [
  ["day", 86400],
  ["hour", 3600],
  ["minute", 60],
  ["second", 1],
];

const DAY = new Intl.DateTimeFormat(undefined, { dateStyle: "medium" });
const DAY_AND_TIME = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
const IN_FULL = new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "long" });
// How a moment is written up to how many seconds after it; later than all of them: its day.
/** @type {[number, number, string][]} */
const AGO = [
  [3600, 60, "min"],
  [86400, 3600, "h"],
  [7 * 86400, 86400, "day"],
];
const JUST_NOW_S = 60;
// The smallest step that is shown is a minute.
const EVERY_MS = 20_000;

/**
 * Write every `<time data-moment>` below `root` as long ago as it is, such as `5 min ago`; after a
 * week, as a day.  The exact time in the reader's zone is its title.
 * @param {ParentNode} root
 */
export function writeMoments(root) {
  const now_ms = Date.now();
  for (const element of root.querySelectorAll("time[data-moment]")) {
    const moment = new Date(element.getAttribute("datetime") ?? "");
    if (Number.isNaN(moment.getTime())) continue;
    const text = ago((now_ms - moment.getTime()) / 1000) ?? DAY.format(moment);
    if (element.textContent !== text) element.textContent = text;
    element.setAttribute("title", IN_FULL.format(moment));
  }
}

/** Keep all moments of the page up to date, also where nothing else changes it. */
export function keepMomentsUpToDate() {
  setInterval(() => writeMoments(document), EVERY_MS);
  // Timers rest while a page is out of sight.
  document.addEventListener("visibilitychange", () => writeMoments(document));
}

/**
 * How long ago a moment was; null when its day says more.
 * @param {number} seconds less than nothing where the clocks of server and browser differ
 * @returns {string | null}
 */
export function ago(seconds) {
  if (seconds < -JUST_NOW_S) return null;
  if (seconds < JUST_NOW_S) return "just now";
  for (const [end_s, unit_s, name] of AGO) {
    if (seconds >= end_s) continue;
    const count = Math.floor(seconds / unit_s);
    return `${count} ${name}${name === "day" && count > 1 ? "s" : ""} ago`;
  }
  return null;
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
