/** Progress bars, with percent and time left beside them, and the progress in the tab's title. */

import { all } from "../web/dom.js";
import { duration } from "../web/times.js";

/**
 * Move a bar.
 * @param {Element | null | undefined} bar a `<progress>` from 0 to 1
 * @param {number} percentage
 */
export function moveBar(bar, percentage) {
  if (bar instanceof HTMLProgressElement) bar.value = percentage / 100;
}

/**
 * Move the bar of a task, and write its words.
 * @param {Element} part
 * @param {number} percentage
 * @param {number | null} eta_s seconds to go, when they are known
 */
export function showProgress(part, percentage, eta_s) {
  part.toggleAttribute("hidden", false);
  moveBar(part.querySelector("progress"), percentage);
  const words = part.querySelector("[data-task-percent]");
  if (words) words.textContent = `${Math.floor(percentage)}%`;
  const eta = part.querySelector("[data-task-eta]");
  if (eta) eta.textContent = eta_s === null ? "" : `${duration(eta_s)} left`;
}

/**
 * Say how far and how fast a task is: pictures of a database, or iterations of a training.
 * @param {Element} part
 * @param {Record<string, any>} pace what is not known is null
 */
export function showPace(part, pace) {
  const place = part.querySelector("[data-task-pace]");
  if (place) place.textContent = ("unit" in pace ? countWords(pace) : trainingWords(pace)).join(" · ");
}

/** @param {Record<string, any>} pace */
function countWords({ done, total, unit, per_second }) {
  return [
    total === null ? `${grouped(done)} ${unit}` : `${grouped(done)} of ${grouped(total)} ${unit}`,
    ...(per_second ? [`${grouped(per_second)}/s`] : []),
  ];
}

/** @param {Record<string, any>} pace */
function trainingWords({ iteration, max_iter, epoch, iterations_per_s, images_per_s, memory_bytes }) {
  return [
    ...(epoch === null ? [] : [`epoch ${epoch.toFixed(1)}`]),
    `iteration ${grouped(iteration)}${max_iter ? ` of ${grouped(max_iter)}` : ""}`,
    ...(iterations_per_s ? [`${Number(iterations_per_s.toPrecision(3)).toLocaleString()} iterations/s`] : []),
    ...(images_per_s ? [`${grouped(images_per_s)} pictures/s`] : []),
    ...(memory_bytes ? [`${(memory_bytes / 2 ** 20).toFixed(0)} MB memory`] : []),
  ];
}

/** @param {number} number */
function grouped(number) {
  return Math.round(number).toLocaleString();
}

// The tab's title without progress, and the job's name in it.
let title = document.title;
let titleName = jobName();

function jobName() {
  return document.querySelector("[data-name-text]")?.textContent ?? "";
}

/** Put the mean progress of the page's tasks before the tab's title, while one of them runs. */
export function showProgressInTitle() {
  const parts = all("[data-task-progress]");
  const values = parts.map((part) => part.querySelector("progress")?.value ?? 0);
  const mean = values.reduce((sum, value) => sum + value, 0) / Math.max(1, values.length);
  const running = parts.some((part) => !part.hidden);
  const name = jobName();
  if (name !== titleName) title = title.replace(titleName, () => name); // it was renamed
  titleName = name;
  document.title = running ? `${Math.floor(100 * mean)}% · ${title}` : title;
}
