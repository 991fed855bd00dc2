/** A model's page: a job's page with tabs, and a form to try the model out. */

import { classifyHere } from "../try_out/classify.js";
import { need } from "../web/dom.js";
import "../job/page.js";
import { refresh } from "../web/refresh.js";
import { copyLines } from "./copy_lines.js";
import { showLog } from "./log_tab.js";
import { handleSnapshotActions } from "./snapshots.js";
import { watchTabs } from "./tabs.js";
import { completePaths } from "../forms/path_autocomplete.js";

// Results change all the time while it learns, and have no messages of their own.
const REFRESH_EVERY_MS = 15_000;
setInterval(() => {
  const isRunning = document.querySelector("[data-task-progress]:not([hidden])");
  if (isRunning && !document.hidden) refresh();
}, REFRESH_EVERY_MS);

completePaths(document);
handleSnapshotActions();
copyLines();
classifyHere(/** @type {HTMLFormElement} */ (need("form[data-try-out]")));
watchTabs((name) => name === "log" && showLog());
