/** Slow buttons say at once that they were pressed, and a form is not sent twice. */

import { all } from "./dom.js";

/** What leads to a file leaves the page as it is, so nothing would ever say that it is over. */
const LEAVES_THE_PAGE = /\/download(\.[a-z0-9.]+)?(\?|$)/;

/** Mark the button of every form that is posted as a page. */
export function markSentForms() {
  // Last of all: what other scripts send themselves is theirs.
  window.addEventListener("submit", (event) => {
    const form = event.target;
    if (!(form instanceof HTMLFormElement) || event.defaultPrevented) return;
    const button = event.submitter instanceof HTMLButtonElement ? event.submitter : form.querySelector("button:not([type='button'])");
    const address = event.submitter?.getAttribute("formaction") ?? form.getAttribute("action") ?? "";
    if (methodOf(form, event.submitter) !== "post" || LEAVES_THE_PAGE.test(address)) return;
    if (form.hasAttribute("aria-busy")) event.preventDefault();
    form.setAttribute("aria-busy", "true");
    if (button instanceof HTMLButtonElement) setBusy(button, true);
  });
  // Whoever comes back by the browser's own memory finds the page as it was left.
  window.addEventListener("pageshow", (event) => {
    if (!event.persisted) return;
    for (const form of all("form[aria-busy]")) form.removeAttribute("aria-busy");
    for (const button of all("button.is-busy")) setBusy(/** @type {HTMLButtonElement} */ (button), false);
  });
}

/**
 * @param {HTMLFormElement} form
 * @param {HTMLElement | null} submitter
 */
function methodOf(form, submitter) {
  return (submitter?.getAttribute("formmethod") ?? form.getAttribute("method") ?? "get").toLowerCase();
}

/**
 * Run `work` while the button turns; it cannot be pressed meanwhile.
 * @param {HTMLElement} button
 * @param {() => Promise<void>} work
 */
export async function busyWhile(button, work) {
  if (button.classList.contains("is-busy")) return;
  setBusy(/** @type {HTMLButtonElement} */ (button), true);
  try {
    await work();
  } finally {
    setBusy(/** @type {HTMLButtonElement} */ (button), false);
  }
}

/**
 * Not `disabled`: that would take the focus from who has no mouse, and the button's name out of the form.
 * @param {HTMLButtonElement} button
 * @param {boolean} busy
 */
export function setBusy(button, busy) {
  button.classList.toggle("is-busy", busy);
  if (busy) button.setAttribute("aria-disabled", "true");
  else button.removeAttribute("aria-disabled");
  const words = button.dataset.busy;
  if (!words) return;
  if (busy) {
    button.dataset.words = button.textContent ?? "";
    button.textContent = words;
  } else if (button.dataset.words) button.textContent = button.dataset.words;
}
