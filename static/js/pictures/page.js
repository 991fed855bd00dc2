/** The page of one picture: what a model sees in it, and the arrow keys for its neighbours. */

import { need } from "../web/dom.js";
import { messagesOf } from "../web/http.js";
import { resultOf } from "../try_out/result.js";

document.addEventListener("keydown", goOn);
const form = /** @type {HTMLFormElement | null} */ (document.querySelector("form[data-seen-by]"));
if (form) {
  const choice = /** @type {HTMLSelectElement | null} */ (form.querySelector("[data-model]"));
  choice?.addEventListener("change", () => {
    form.action = choice.value;
    ask(form);
  });
  ask(form);
}

/** @param {KeyboardEvent} event */
function goOn(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || event.shiftKey || event.defaultPrevented) return;
  if (event.target instanceof Element && event.target.closest("input, select, textarea, [tabindex='0']")) return;
  const rel = { ArrowLeft: "prev", ArrowRight: "next" }[event.key];
  const link = rel && document.querySelector(`.picture-nav a[rel=${rel}]`);
  if (link instanceof HTMLAnchorElement) link.click();
}

/**
 * Show what the chosen model sees; what it cannot say stands in its place.
 * @param {HTMLFormElement} form
 */
async function ask(form) {
  const place = need("[data-classified]", form);
  const address = form.action;
  place.setAttribute("aria-busy", "true");
  let shown;
  try {
    shown = await resultOf(form, new FormData(form));
  } catch (error) {
    shown = document.createElement("p");
    shown.className = "notice notice-warning";
    shown.textContent = messagesOf(error).join(" ");
    // An answer of an earlier day stays in view above it.
    const earlier = place.querySelector("[data-earlier]");
    if (earlier) shown = withBoth(earlier, shown);
  }
  if (form.action !== address) return; // another model was chosen meanwhile
  place.replaceChildren(shown);
  place.removeAttribute("aria-busy");
}

/**
 * @param {Element} first
 * @param {Element} second
 */
function withBoth(first, second) {
  const both = document.createDocumentFragment();
  both.append(first, second);
  return both;
}
