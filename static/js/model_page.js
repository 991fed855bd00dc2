/** A model's page: a job's page with forms to try the model out. */

import { classifyHere } from "./classify.js";
import { need } from "./dom.js";
import "./job_page.js";
import { refresh } from "./refresh.js";
import { handleSnapshotActions } from "./snapshots.js";
import { completePaths } from "./path_autocomplete.js";

// Results change all the time while it learns, and have no messages of their own.
const REFRESH_EVERY_MS = 15_000;
setInterval(() => {
  const isRunning = document.querySelector("[data-task-progress]:not([hidden])");
  if (isRunning && !document.hidden) refresh();
}, REFRESH_EVERY_MS);

completePaths(document);
handleSnapshotActions();
classifyHere(/** @type {HTMLFormElement} */ (need("form[data-try-out]")));
