/** Pictures whose pixels shall be seen, such as those of a network's layers: hard where they are enlarged, smooth
    where they are shrunk, for then whole lines of hard pixels would be left out. */

const SELECTOR = ".seen, .layer-picture, .thumbs img, .thumbnail";
// Enlarged by less, some pixels would be twice as wide as others.
const LEAST_FACTOR = 2;

const sizes = new ResizeObserver((entries) => entries.forEach(({ target }) => choose(/** @type {HTMLImageElement} */ (target))));

/** Look at the page's pictures, and at those that come later. */
export function keepPixelsHonest() {
  document.addEventListener("load", ({ target }) => watch(target), true);
  for (const picture of document.querySelectorAll(SELECTOR)) watch(picture);
}

/** @param {EventTarget | null} target */
function watch(target) {
  if (!(target instanceof HTMLImageElement) || !target.matches(SELECTOR)) return;
  sizes.observe(target);
  choose(target);
}

/** @param {HTMLImageElement} picture */
function choose(picture) {
  const factor = (picture.clientWidth * devicePixelRatio) / (picture.naturalWidth || Infinity);
  picture.classList.toggle("hard-pixels", factor >= LEAST_FACTOR || factor === 1);
}

/**
 * Draw the pictures of a refreshed part as they are drawn in the one shown.
 * @param {Element} shown
 * @param {Element} next
 */
export function keepPixelsAlike(shown, next) {
  for (const picture of shown.querySelectorAll("img.hard-pixels")) {
    const address = CSS.escape(picture.getAttribute("src") ?? "");
    next.querySelector(`img[src="${address}"]`)?.classList.add("hard-pixels");
  }
}
