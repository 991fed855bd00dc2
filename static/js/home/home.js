/** The home page: rows change as jobs do; the lists are fetched again when jobs come or go. */

import { afterQuiet, all } from "../web/dom.js";
import { filterInPlace } from "./filters.js";
import { foldGroups } from "./groups.js";
import { handleTicks } from "./ticks.js";
import { handleJobActions } from "../job/actions.js";
import { showMachine } from "./machine.js";
import { notifyOfEnd, offerNotifications } from "../web/notify.js";
import { moveBar } from "../job/progress.js";
import { offerUndoOfLastPage } from "../job/undo.js";
import { prepareParts, refresh } from "../web/refresh.js";
import { listen } from "../web/sockets.js";
import { showStatus } from "../web/status.js";

const refreshSoon = afterQuiet(refresh, 200);
const title = document.title;

/** @type {Set<string>} jobs of the page that had not ended when it was fetched last */
let active = new Set();

handleJobActions();
handleTicks();
foldGroups(document);
prepareParts(foldGroups);
filterInPlace();
offerNotifications();
takeNote();
offerUndoOfLastPage();
document.addEventListener("digits:refreshed", takeNote);
listen("/home", { caughtUp: refresh, jobUpdate, more: { machine: showMachine, results: showResults } });

/** @param {import("../web/sockets.js").JobUpdate} update */
function jobUpdate(update) {
  const rows = all(`[data-job="${CSS.escape(update.job_id)}"]`);
  if (update.update === "progress") {
    for (const row of rows) moveBar(row.querySelector(".job-row progress"), update.percentage);
    return;
  }
  if (update.update === "status") {
    for (const row of rows) {
      showStatus(row.querySelector("[data-status-badge]"), update.word, update.css);
    }
    notifyOfEnd({ id: update.job_id, ...update, status: update.word, name: update.name }, pageOf(update.job_id));
  }
  refreshSoon(); // a status, a name, or a job more or less: the lists are others now
}

/** @typedef {{job_id: string, words: Record<string, string>, folded: Record<string, string>, curve: string}} Results */

/** @param {Results} results what has come of a job since the page was fetched: words by column, a curve */
function showResults({ job_id, words, folded, curve }) {
  for (const row of all(`.job-row[data-job="${CSS.escape(job_id)}"]`)) {
    for (const place of all("[data-result]", row)) place.textContent = words[place.dataset.result ?? ""] ?? "";
    for (const [key, text] of Object.entries(folded)) {
      const place = row.querySelector(`[data-folded="${key}"]`);
      if (place) place.textContent = text;
      else if (text) refreshSoon(); // its first: the server's markup has a place for it
    }
    row.querySelector("[data-result-curve]")?.setAttribute("points", curve);
  }
}

/** The number of running jobs in the tab's title; ends that were missed while the connection was lost. */
function takeNote() {
  const running = Number(document.getElementById("first-steps")?.dataset.running ?? 0);
  document.title = running ? `(${running}) ${title}` : title;
  const now = new Set();
  for (const row of all(".job-row")) {
    const id = row.dataset.job ?? "";
    if (row.dataset.active === "true") now.add(id);
    else if (active.has(id)) {
      const name = row.querySelector(".job-name")?.textContent ?? id;
      const status = row.querySelector("[data-status-badge]")?.textContent ?? "";
      notifyOfEnd({ id, name, status }, pageOf(id));
    }
  }
  active = now;
}

/** @param {string} id a job's */
function pageOf(id) {
  return `${document.body.dataset.root ?? ""}/jobs/${encodeURIComponent(id)}`;
}
