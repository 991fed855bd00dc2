/** The lists beside a guide: the section that is being read is marked; it and the guide are kept in sight. */

import { all, need } from "../web/dom.js";

/** How far below the bar at the top a heading counts as read. */
const READING_LINE_PX = 120;

/** Scroll the list of guides, which is longer than many windows, to the one that is shown. */
export function showCurrentGuide() {
  for (const link of all("[data-help-list] [aria-current]")) keepInSight(link);
}

/** Mark the section in view, now and whenever the page is scrolled. */
export function markCurrentSection() {
  const links = /** @type {HTMLAnchorElement[]} */ (all("[data-help-contents] a"));
  if (links.length === 0) return;
  const sections = links.map((link) => need(`#${CSS.escape(decodeURIComponent(link.hash.slice(1)))}`));
  let asked = 0;
  const mark = () => {
    cancelAnimationFrame(asked);
    asked = requestAnimationFrame(() => markOne(links, currentOf(sections)));
  };
  addEventListener("scroll", mark, { passive: true });
  addEventListener("resize", mark, { passive: true });
  mark();
}

/**
 * @param {HTMLElement[]} sections
 * @returns {number} the last one that begins above the reading line; at the page's end the last of all
 */
function currentOf(sections) {
  const { scrollTop, clientHeight, scrollHeight } = document.documentElement;
  if (scrollTop > 0 && scrollTop + clientHeight >= scrollHeight - 1) return sections.length - 1;
  return sections.findLastIndex((section) => section.getBoundingClientRect().top < READING_LINE_PX);
}

/**
 * @param {HTMLAnchorElement[]} links
 * @param {number} current
 */
function markOne(links, current) {
  links.forEach((link, place) => {
    if (place === current) link.setAttribute("aria-current", "location");
    else link.removeAttribute("aria-current");
  });
  if (links[current]) keepInSight(links[current]);
}

/** @param {HTMLElement} link */
function keepInSight(link) {
  const list = /** @type {HTMLElement} */ (link.closest("nav"));
  const [inner, outer] = [link.getBoundingClientRect(), list.getBoundingClientRect()];
  if (inner.top < outer.top) list.scrollTop += inner.top - outer.top;
  else if (inner.bottom > outer.bottom) list.scrollTop += inner.bottom - outer.bottom;
}
