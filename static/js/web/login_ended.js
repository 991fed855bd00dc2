/** A login that ended under an open page: it is said there, and the page goes on after the next login. */

import { element, need } from "./dom.js";

/** The code that a refused connection carries when nobody is logged in. */
export const LOGIN_NEEDED = 401;

/** @type {Set<() => void>} */
const waiting = new Set();

/**
 * Say that the login has ended, and try again when somebody comes back to this page.
 *
 * The page stays as it is, with whatever was typed into it, so the login is in a tab of its own.
 * @param {() => void} tryAgain
 */
export function showLoginEnded(tryAgain) {
  waiting.add(tryAgain);
  if (document.querySelector("[data-login-ended]") !== null) return;
  const href = `${document.body.dataset.root ?? ""}/login`;
  const link = element(
    "a",
    { href, class: "btn btn-sm btn-primary", target: "_blank", rel: "noopener" },
    "Log in again",
  );
  const words = "Your login has ended, so this page is no longer updated. It continues once you log in again. ";
  const attributes = { class: "notice notice-warning", role: "alert", "data-login-ended": "" };
  need("main").prepend(element("div", attributes, words, link));
  window.addEventListener("focus", tryAll);
}

/** Take the notice away: a connection stands. */
export function hideLoginEnded() {
  waiting.clear();
  document.querySelector("[data-login-ended]")?.remove();
  window.removeEventListener("focus", tryAll);
}

function tryAll() {
  for (const tryAgain of waiting) tryAgain();
}
