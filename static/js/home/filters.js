/** Search, filter, order and pages of the home page without loading it anew.

    The address keeps what is chosen, so that links and the back button work. */

import { afterQuiet, all } from "../web/dom.js";
import { refresh } from "../web/refresh.js";

/** Take over the filters' form and the links with `data-here`. */
export function filterInPlace() {
  const form = document.querySelector("form[data-filters]");
  if (form instanceof HTMLFormElement) handleFilters(form);
  document.addEventListener("click", (event) => {
    const link = event.target instanceof Element ? event.target.closest("a[data-here]") : null;
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.button !== 0) return;
    event.preventDefault();
    history.pushState(null, "", link.getAttribute("href"));
    if ("all" in /** @type {HTMLElement} */ (link).dataset) showFilters();
    refresh();
  });
  window.addEventListener("popstate", () => {
    showFilters();
    refresh();
  });
}

/** @param {HTMLFormElement} form */
function handleFilters(form) {
  const apply = () => {
    const values = [...new FormData(form)].filter(([, value]) => String(value).trim() !== "");
    const query = new URLSearchParams(/** @type {[string, string][]} */ (values)).toString();
    const url = query ? `?${query}` : location.pathname;
    if (url === (location.search || location.pathname)) return;
    // One step back leads to what was shown before the first letter was typed.
    const typing = { typing: true };
    if (history.state?.typing) history.replaceState(typing, "", url);
    else history.pushState(typing, "", url);
    refresh();
  };
  form.addEventListener("input", afterQuiet(apply, 200));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    apply();
  });
}

/** Write into the filters what the address says. */
function showFilters() {
  const values = new URLSearchParams(location.search);
  for (const name of ["search", "status"]) {
    for (const field of all(`form[data-filters] [name="${name}"]`)) {
      /** @type {HTMLInputElement} */ (field).value = values.get(name) ?? "";
    }
  }
  for (const box of all('form[data-filters] [name="mine"]')) {
    /** @type {HTMLInputElement} */ (box).checked = values.has("mine");
  }
}
