/** Undo of a deletion: a button in the message about it, on this page or on the next one. */

import { send } from "../web/http.js";
import { refresh } from "../web/refresh.js";
import { toast } from "../web/toasts.js";

// What the next page offers, in the tab's own memory.
const KEY = "digits-deleted";

/**
 * Say that jobs were deleted, with a button that brings them back.
 * @param {string} told
 * @param {string[]} ids
 */
export function offerUndo(told, ids) {
  toast(told, "info", { label: "Undo", run: () => restore(ids) });
}

/**
 * The same after the way to another page.
 * @param {string} told
 * @param {string[]} ids
 */
export function offerUndoOnNextPage(told, ids) {
  sessionStorage.setItem(KEY, JSON.stringify({ told, ids }));
}

/** Offer what the last page left to be offered. */
export function offerUndoOfLastPage() {
  const text = sessionStorage.getItem(KEY);
  sessionStorage.removeItem(KEY);
  if (text === null) return;
  const { told, ids } = JSON.parse(text);
  offerUndo(told, ids);
}

/**
 * What becomes of jobs that are deleted now, as the home page was told (home/bin_link.html).
 * @returns {{keeps: boolean, problem: string, words: string}}
 */
export function binNow() {
  const { binKeeps = "", binDays = "", binProblem: problem = "" } = document.getElementById("bin-link")?.dataset ?? {};
  const keeps = binKeeps === "true";
  const days = `${binDays} day${binDays === "1" ? "" : "s"}`;
  const gone = "Their folders with all files are removed. This cannot be undone.";
  if (keeps) return { keeps, problem, words: `They can be restored from the bin for ${days}.` };
  return { keeps, problem, words: problem ? `The bin cannot be used: ${problem}. ${gone}` : gone };
}

/** @param {string[]} ids */
async function restore(ids) {
  const url = `${document.body.dataset.root ?? ""}/bin/restore.json`;
  const answer = await send(url, new URLSearchParams(ids.map((id) => ["ids", id])));
  /** @type {{restored: string[], kept: {name: string, reason: string}[]}} */
  const { restored, kept } = await answer.json();
  if (restored.length) toast(restored.length === 1 ? "Job restored." : `${restored.length} jobs restored.`);
  for (const { name, reason } of kept) toast(`${name} could not be restored. ${reason}`, "danger");
  await refresh();
}
