/** The state of the machine at the home page's top: meters move, the queue is replaced. */

import { all } from "../web/dom.js";
import { moveBar } from "../job/progress.js";

/**
 * @typedef {{fraction: number | null, words: string, tight: boolean}} Meter `fraction` null: not known
 */

/**
 * @param {{meters: Record<string, Meter>, queue?: string}} state `queue`, the server's own markup,
 *   when it has changed
 */
export function showMachine({ meters, queue }) {
  for (const place of queue === undefined ? [] : all("[data-machine]")) {
    if (!place.contains(document.activeElement)) place.innerHTML = queue ?? "";
  }
  for (const place of all("[data-meter]")) {
    const meter = meters[place.dataset.meter ?? ""];
    if (meter === undefined) continue;
    const words = place.querySelector("[data-meter-words]");
    if (words && words.textContent !== meter.words) words.textContent = meter.words;
    moveBar(place.querySelector("progress"), 100 * (meter.fraction ?? 0));
    place.classList.toggle("meter-tight", meter.tight);
  }
}
