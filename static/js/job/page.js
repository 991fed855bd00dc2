/** A job's page: status, progress, graphs and snapshots move while the job runs. */

import { afterQuiet, all, need } from "../web/dom.js";
import { updateGraphs, watchGraphs } from "../graphs/graphs.js";
import { handleJobActions, showName } from "./actions.js";
import { watchEnding } from "./ending.js";
import { handleNotes } from "./notes.js";
import { showPace, showProgress, showProgressInTitle } from "./progress.js";
import { outdate, refresh } from "../web/refresh.js";
import { showSnapshots } from "../models/snapshots.js";
import { listen } from "../web/sockets.js";
import { showStatus } from "../web/status.js";
import { writeMoments } from "../web/times.js";

const jobId = need("[data-job-page]").dataset.jobPage ?? "";
const refreshSoon = afterQuiet(refresh, 150);

/** @type {Map<string, any>} how fast each task was at last, by its id */
const paces = new Map();

handleJobActions();
handleNotes();
watchGraphs();
const jobStatus = watchEnding(jobId);
showProgressInTitle();
document.addEventListener("digits:refreshed", (event) => {
  const fresh = /** @type {CustomEvent<Document>} */ (event).detail;
  const abort = fresh.querySelector("[data-abort]");
  for (const button of all("[data-abort]")) button.hidden = abort?.hasAttribute("hidden") ?? true;
  showName(fresh.querySelector("[data-name-text]")?.textContent ?? "");
  showProgressInTitle();
  // Messages alone tell it, so it would be gone until the next one.
  for (const [id, pace] of paces) {
    const task = document.querySelector(`[data-task="${CSS.escape(id)}"]`);
    if (task) showPace(task, pace);
  }
});
document.addEventListener("digits:gone", showThatItIsGone);
listen("/jobs", { room: jobId, caughtUp: refresh, jobUpdate, taskUpdate });

/** @param {import("../web/sockets.js").JobUpdate} update */
function jobUpdate(update) {
  if (update.update === "deleted") {
    showThatItIsGone();
    return;
  }
  if (update.update === "attribute" && update.attribute === "name") {
    outdate();
    showName(update.value);
  }
  if (update.update === "attribute" && update.attribute === "notes") refreshSoon();
  if (update.update === "status") {
    outdate();
    for (const badge of all("[data-job-badge] [data-status-badge]")) {
      showStatus(badge, update.word, update.css);
    }
    jobStatus(update.word);
    putHistory(document.querySelector("[data-job-history]"), update.html);
    for (const button of all("[data-abort]")) button.hidden = !update.running;
    refreshSoon(); // files, pictures and figures that are there now
  }
}

/** @param {import("../web/sockets.js").TaskUpdate} update */
function taskUpdate(update) {
  document.dispatchEvent(new CustomEvent("digits:task-update", { detail: update }));
  const task = document.querySelector(`[data-task="${CSS.escape(update.task)}"]`);
  if (update.update === "status") {
    outdate();
    showStatus(task?.querySelector("[data-status-badge]"), update.word, update.css);
    putHistory(task?.querySelector("[data-task-history]"), update.html);
    refreshSoon();
  } else if (update.update === "progress") {
    const part = task?.querySelector("[data-task-progress]");
    if (part) showProgress(part, update.percentage, update.eta);
    showProgressInTitle();
  } else if (update.update === "count" || update.update === "pace") {
    paces.set(update.task, update.data);
    if (task) showPace(task, update.data);
  } else if (update.update === "snapshots") {
    showSnapshots();
  } else if (update.update === "log") {
    refreshSoon(); // curves and figures are there now
  } else {
    updateGraphs(update.update, update.task, update.data);
  }
}

/**
 * @param {Element | null | undefined} place
 * @param {string} html the server's own fragment
 */
function putHistory(place, html) {
  if (!place) return;
  place.innerHTML = html;
  writeMoments(place);
}

function showThatItIsGone() {
  need("[data-gone]").hidden = false;
  for (const button of all("[data-press], [data-abort], [data-delete], [data-rename-start]")) button.hidden = true;
}
