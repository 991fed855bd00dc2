/** Notifications of the browser when a job ends, for who has switched them on in this browser. */

import { all } from "./dom.js";
import { toast } from "./toasts.js";

const KEY = "digits-notify";
const ENDINGS = { Done: "is done", Paused: "is paused", Aborted: "was aborted", Error: "has failed" };

// Jobs whose end was told: a message and the page fetched after it may both say so.
const told = new Set();

/** Show the switch, as it was left; other tabs follow it. */
export function offerNotifications() {
  show();
  window.addEventListener("storage", (event) => event.key === KEY && show());
  for (const button of all("[data-notify]")) {
    button.hidden = false;
    button.addEventListener("click", async () => {
      if (isOn()) keep(false);
      else if (await isAllowed()) {
        keep(true);
        toast("This browser tells you when a job ends, while a page of DIGITS is open.");
      }
      show();
    });
  }
}

/**
 * Tell that a job has ended, once.
 * @param {{id: string, name: string, status: string}} job
 * @param {string} url its page
 */
export function notifyOfEnd({ id, name, status }, url) {
  if (!(status in ENDINGS)) {
    told.delete(id); // it was resumed
    return;
  }
  if (told.has(id)) return;
  told.add(id);
  if (!isOn()) return;
  const words = `${name} ${ENDINGS[/** @type {keyof typeof ENDINGS} */ (status)]}`;
  // The tag lets several tabs show one notification.
  const notification = new Notification(words, { tag: `digits-${id}`, body: "DIGITS" });
  notification.addEventListener("click", () => {
    window.focus();
    location.assign(url);
  });
}

/** Ask for the browser's permission; says what to do where it is not given. */
async function isAllowed() {
  if (!("Notification" in window) || !window.isSecureContext) {
    toast("Browsers only show notifications of pages on localhost or https. Open DIGITS that way.", "danger");
    return false;
  }
  const permission = await Notification.requestPermission();
  if (permission === "granted") return true;
  toast(
    permission === "denied"
      ? "This browser blocks notifications from DIGITS. Allow them in its settings for this site, then switch them on here."
      : "You did not answer the browser’s question about notifications. Press the bell once more.",
    "danger",
  );
  return false;
}

/** Whether it was switched on here, and the browser still allows it. */
function isOn() {
  try {
    const wanted = localStorage.getItem(KEY) === "on";
    return wanted && "Notification" in window && Notification.permission === "granted";
  } catch {
    return false; // storage is switched off
  }
}

/** @param {boolean} on */
function keep(on) {
  try {
    localStorage.setItem(KEY, on ? "on" : "off");
  } catch {
    toast("This browser stores nothing for DIGITS, so it will not remember this.", "danger");
  }
}

function show() {
  const on = isOn();
  for (const button of all("[data-notify]")) {
    button.setAttribute("aria-checked", String(on));
    for (const icon of all("[data-notify-icon]", button)) {
      icon.hidden = (icon.dataset.notifyIcon === "on") !== on;
    }
  }
}
