/** The explanations at question marks: shown by the styles on hover and focus; here are tap and Escape. */

import { all } from "./dom.js";

/** Listen for fingers and the Escape key on every question mark, also of parts that come later. */
export function handleHelp() {
  document.addEventListener("click", (event) => {
    const place = event.target instanceof Element ? event.target.closest(".help-place") : null;
    for (const other of all(".help-open")) if (other !== place) other.classList.remove("help-open");
    // Not every browser gives the focus to a button that is tapped.
    place?.classList.add("help-open");
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    for (const place of all(".help-place")) {
      place.classList.remove("help-open");
      place.classList.toggle("help-closed", place.matches(":hover, :focus-within"));
    }
  });
  // Closed it stays until both pointer and focus have gone elsewhere.
  for (const leaving of ["pointerout", "focusout"]) {
    document.addEventListener(leaving, (event) => {
      const place = event.target instanceof Element ? event.target.closest(".help-closed") : null;
      if (place) requestAnimationFrame(() => place.classList.toggle("help-closed", place.matches(":hover, :focus-within")));
    });
  }
}
