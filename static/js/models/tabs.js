/** Tabs of a page: plain links with an address each, answered here without loading the page again. */

import { all } from "../web/dom.js";

/**
 * Show the part that a link of `[data-tabs]` names, also when the reader goes back and forth.
 * @param {(name: string) => void} shown told of each tab that is shown, the first one too
 */
export function watchTabs(shown) {
  const links = /** @type {HTMLAnchorElement[]} */ (all("[data-tabs] [data-tab-link]"));
  const first = links[0]?.dataset.tabLink ?? "";
  /** @param {string} name */
  const show = (name) => {
    const known = links.some((link) => link.dataset.tabLink === name) ? name : first;
    for (const link of links) {
      if (link.dataset.tabLink === known) link.setAttribute("aria-current", "true");
      else link.removeAttribute("aria-current");
    }
    for (const part of all("[data-tab]")) part.hidden = part.dataset.tab !== known;
    shown(known);
  };
  for (const link of links) {
    link.addEventListener("click", (event) => {
      if (event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return; // into a window of its own
      event.preventDefault();
      if (link.href !== location.href) history.pushState(null, "", link.href);
      show(link.dataset.tabLink ?? "");
    });
  }
  window.addEventListener("popstate", () => show(nameIn(location.search)));
  show(nameIn(location.search));
}

/** @param {string} search */
function nameIn(search) {
  return new URLSearchParams(search).get("tab") ?? "";
}
