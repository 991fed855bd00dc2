/** Pictures of a network's layers, fetched when a layer comes into view: a network of 150 layers has
    many more of them than anybody looks at. */

import { all, element, need } from "../web/dom.js";
import { send } from "../web/http.js";
import { withErrorsShown } from "../web/toasts.js";

// Begun a little before the layer is seen.
const MARGIN = "300px";
// The network draws one at a time; a second request keeps it busy while the first answer travels.
const AT_ONCE = 2;

/**
 * Fetch the pictures of the page's layers as they come into view.
 * @param {HTMLElement} shown the part with `data-classification`
 */
export function watchLayers(shown) {
  const waiting = new Set();
  let running = 0;
  const observer = new IntersectionObserver(
    (entries) => {
      for (const { target, isIntersecting } of entries) {
        // Layers that were scrolled past need not be drawn.
        if (isIntersecting) waiting.add(target);
        else waiting.delete(target);
      }
      next();
    },
    { rootMargin: MARGIN },
  );

  function next() {
    for (const layer of waiting) {
      if (running >= AT_ONCE) return;
      waiting.delete(layer);
      observer.unobserve(layer);
      running += 1;
      withErrorsShown(() => draw(shown, layer)).finally(() => {
        running -= 1;
        next();
      });
    }
  }
  for (const layer of all("[data-layer]")) observer.observe(layer);
}

/**
 * @param {HTMLElement} shown
 * @param {HTMLElement} layer
 */
async function draw(shown, layer) {
  const body = new FormData();
  body.set("snapshot_epoch", shown.dataset.epoch ?? "");
  body.set("picture", pictureOf(shown));
  for (const name of ["layer", "tops", "params"]) body.set(name, layer.dataset[name] ?? "");
  const drawn = await (await send(shown.dataset.layersUrl ?? "", body)).json();
  for (const blob of all("[data-blob]", layer)) {
    const { picture, note } = drawn[blob.dataset.blob ?? ""][Number(blob.dataset.number)];
    put(blob, picture, note);
  }
}

const seen = new WeakMap();

/**
 * The picture that the network saw, as base64; not the heat map that may lie over it later.
 * @param {HTMLElement} shown
 * @returns {string}
 */
function pictureOf(shown) {
  if (!seen.has(shown)) {
    seen.set(shown, /** @type {HTMLImageElement} */ (need("[data-seen]", shown)).src.split(",")[1]);
  }
  return seen.get(shown);
}

/**
 * @param {HTMLElement} blob
 * @param {string} picture base64 PNG; empty when there is none
 * @param {string} note what it leaves out
 */
function put(blob, picture, note) {
  const parts = [];
  if (picture) {
    const alt = `${blob.dataset.title} as a picture`;
    parts.push(element("img", { class: "layer-picture", src: `data:image/png;base64,${picture}`, alt }));
  }
  if (note) parts.push(element("p", { class: "muted" }, note));
  const place = need("[data-place]", blob);
  place.classList.add("filled");
  place.replaceChildren(...parts);
}
