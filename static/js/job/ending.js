/** A notification when the job of this page ends, whether a message says so or a fetched page. */

import { notifyOfEnd, offerNotifications } from "../web/notify.js";

const ACTIVE = ["Initialized", "Waiting", "Running"];

/**
 * Watch the job of the page.
 * @param {string} id
 * @returns {(status: string) => void} to be called with each new status
 */
export function watchEnding(id) {
  offerNotifications();
  let before = shownStatus();
  /** @param {string} status */
  const look = (status) => {
    const name = document.querySelector("[data-name-text]")?.textContent ?? id;
    if (ACTIVE.includes(before) || ACTIVE.includes(status)) notifyOfEnd({ id, name, status }, location.href);
    before = status;
  };
  document.addEventListener("digits:refreshed", () => look(shownStatus()));
  return look;
}

/** The status that the page shows. */
function shownStatus() {
  return document.querySelector("[data-job-badge] [data-status-badge]")?.textContent?.trim() ?? "";
}
