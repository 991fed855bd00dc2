/** The page of a job that classifies many pictures: results appear as they come, chosen by the server. */

import { handleChoices } from "./chooser.js";
import "../job/page.js";
import { refresh } from "../web/refresh.js";
import { showMeasures } from "./measures.js";

// Figures and rows may be a little behind the progress bar.
const BETWEEN_REFRESHES_MS = 2000;
let isDue = true;

showMeasures();
handleChoices((choice) => {
  history.replaceState(null, "", `?${choice}`);
  refresh();
});
document.addEventListener("digits:task-update", (event) => {
  const update = /** @type {CustomEvent<import("../web/sockets.js").TaskUpdate>} */ (event).detail;
  if (update.update !== "count" || !isDue) return;
  isDue = false;
  setTimeout(() => (isDue = true), BETWEEN_REFRESHES_MS);
  refresh();
});
