/** Fetch this page again and put its live parts in place of the ones shown.

    Whatever a message does not carry, and whatever was missed while the connection was lost, comes
    this way: the server's page is the one source of the present state. */

import { all, element } from "./dom.js";
import { foldLongLists } from "./fold.js";
import { RequestFailed, request } from "./http.js";
import { keepPixelsAlike } from "./pixels.js";
import { writeMoments } from "./times.js";

// How long to leave a server alone that is still starting, when it does not say.
const RETRY_S = 2;

/** @type {((part: Element) => void)[]} what the page's scripts change in its parts */
const preparations = [writeMoments, foldLongLists];

let running = false;
let again = false;
let outdated = false;

/**
 * Replace every element with `data-live` by its present version; graphs take their data from the
 * event `digits:refreshed`, whose detail is the fetched document.
 * @returns {Promise<void>}
 */
export async function refresh() {
  again = running;
  if (running) return;
  running = true;
  outdated = false;
  try {
    const response = await request(location.href, { headers: { Accept: "text/html" } });
    const fresh = new DOMParser().parseFromString(await response.text(), "text/html");
    if (!outdated && isOfThisProgram(fresh)) put(fresh);
  } catch (error) {
    // Unreachable: the connection's sign shows it, and the next connection refreshes again.
    if (!(error instanceof RequestFailed)) throw error;
    if (error.code === 404) document.dispatchEvent(new Event("digits:gone"));
    if (error.code === 503) setTimeout(refresh, 1000 * (error.retryAfter_s || RETRY_S));
  } finally {
    running = false;
  }
  if (again) await refresh();
}

/**
 * Let a script change each part of the page that was fetched, before it takes a shown one's place.
 * @param {(part: Element) => void} work
 */
export function prepareParts(work) {
  preparations.push(work);
}

/**
 * Say that the page shows something newer than what is being fetched may tell: it is fetched again,
 * and what was on its way is not shown. For rare changes only, or nothing would ever be shown.
 */
export function outdate() {
  if (running) outdated = again = true;
}

/** @param {Document} fresh */
function put(fresh) {
  for (const shown of all("[data-live]")) {
    const next = fresh.getElementById(shown.id);
    // An open menu stays: its part is taken the next time.
    if (next === null || shown.querySelector(".dropdown-menu.show")) continue;
    // As in the one shown, or they would never be equal; and its times are of another moment.
    for (const prepare of preparations) prepare(next);
    keepPixelsAlike(shown, next);
    writeMoments(shown);
    if (next.isEqualNode(shown)) continue;
    keepState(shown, next);
    const focused = shown.contains(document.activeElement) ? focusKey(document.activeElement) : "";
    shown.replaceWith(next);
    if (focused) /** @type {HTMLElement | null} */ (document.querySelector(focused))?.focus();
  }
  document.dispatchEvent(new CustomEvent("digits:refreshed", { detail: fresh }));
}

/**
 * What the reader has opened stays open, and what is ticked stays ticked.
 * @param {Element} shown
 * @param {Element} next
 */
function keepState(shown, next) {
  for (const details of shown.querySelectorAll("details[open][id]")) {
    next.querySelector(`#${CSS.escape(details.id)}`)?.setAttribute("open", "");
  }
  for (const box of all("input[type=checkbox][name]:checked", shown)) {
    const same = next.querySelector(boxKey(/** @type {HTMLInputElement} */ (box)));
    if (same instanceof HTMLInputElement) same.checked = true;
  }
}

/**
 * How the focused element is found again in another version of its part of the page.
 * @param {Element | null} focused
 */
function focusKey(focused) {
  if (focused?.id) return `#${CSS.escape(focused.id)}`;
  if (focused instanceof HTMLInputElement && focused.name) return boxKey(focused);
  const href = focused?.getAttribute("href");
  return href ? `a[href="${CSS.escape(href)}"]` : "";
}

/** @param {HTMLInputElement} box */
function boxKey({ name, value }) {
  return `input[name="${CSS.escape(name)}"][value="${CSS.escape(value)}"]`;
}

/**
 * Whether this page's scripts fit the fetched page. When the server was updated meanwhile, the page
 * is loaded anew; one that holds what somebody typed says so instead.
 * @param {Document} fresh
 */
function isOfThisProgram(fresh) {
  const mine = document.body.dataset.assets;
  if (mine === undefined || fresh.body.dataset.assets === mine) return true;
  if (!holdsInput()) location.reload();
  else if (!document.querySelector("[data-outdated]")) {
    const reload = element("button", { class: "btn btn-sm btn-primary", type: "button" }, "Load again");
    reload.addEventListener("click", () => location.reload());
    const words = "DIGITS was updated. Reload this page when you are done here. ";
    const notice = element("div", { class: "notice notice-warning", role: "status", "data-outdated": "" }, words, reload);
    document.querySelector("main")?.prepend(notice);
  }
  return false;
}

/** Whether loading the page again would lose something: typed text, a chosen file, an open dialog. */
function holdsInput() {
  const fields = /** @type {HTMLInputElement[]} */ (all("input, textarea"));
  return fields.some(isChanged) || document.querySelector("dialog[open]") !== null;
}

/** @param {HTMLInputElement} field */
function isChanged(field) {
  if (field.type === "checkbox" || field.type === "radio") return field.checked !== field.defaultChecked;
  return field.type !== "hidden" && field.value !== field.defaultValue;
}
