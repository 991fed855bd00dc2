/** The home page: rows change as jobs do; the lists are fetched again when jobs come or go. */

import { afterQuiet, all } from "../web/dom.js";
import { filterInPlace } from "./filters.js";
import { handleTicks } from "./ticks.js";
import { handleJobActions } from "../job/actions.js";
import { showMachine } from "./machine.js";
import { notifyOfEnd, offerNotifications } from "../web/notify.js";
import { moveBar } from "../job/progress.js";
import { offerUndoOfLastPage } from "../job/undo.js";
import { refresh } from "../web/refresh.js";
import { listen } from "../web/sockets.js";
import { showStatus } from "../web/status.js";

const refreshSoon = afterQuiet(refresh, 200);
const title = document.title;

/** @type {Set<string>} jobs of the page that had not ended when it was fetched last */
let active = new Set();

handleJobActions();
handleTicks();
filterInPlace();
offerNotifications();
offerSample();
takeNote();
offerUndoOfLastPage();
document.addEventListener("digits:refreshed", takeNote);
listen("/home", { caughtUp: refresh, jobUpdate, more: { machine: showMachine } });

/** @param {import("../web/sockets.js").JobUpdate} update */
function jobUpdate(update) {
  const rows = all(`[data-job="${CSS.escape(update.job_id)}"]`);
  if (update.update === "progress") {
    for (const row of rows) moveBar(row.querySelector(".job-row progress"), update.percentage);
    return;
  }
  if (update.update === "status") {
    for (const row of rows) {
      showStatus(row.querySelector("[data-status-badge]"), update.status, update.css);
    }
    notifyOfEnd({ id: update.job_id, ...update, status: update.status, name: update.name }, pageOf(update.job_id));
  }
  refreshSoon(); // a status, a name, or a job more or less: the lists are others now
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

/** Making the sample takes a few seconds: the button says so, and is not pressed twice. */
function offerSample() {
  document.addEventListener("submit", (event) => {
    const form = event.target instanceof HTMLFormElement ? event.target : null;
    const button = form?.matches("[data-sample]") ? form.querySelector("button") : null;
    if (!button) return;
    button.disabled = true;
    button.textContent = button.dataset.busy ?? button.textContent;
  });
}
