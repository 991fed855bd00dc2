/** The model form's augmentation: presets, sliders beside numbers, and nine pictures that follow them. */

import { afterQuiet, all, element, need } from "../web/dom.js";
import { messagesOf, RequestFailed, send } from "../web/http.js";

const SENT = /^(aug_\w+|dataset|crop_size|mirror)$/;
const QUIET_MS = 150;
const WAITING_MS = 2000;

/** @param {HTMLFormElement} form */
export function showAugmentation(form) {
  fillInPresets(form);
  followSliders(form);
  showPictures(form);
}

/**
 * What a preset says stands in the fields; who changes one of them leaves the preset.
 * @param {HTMLFormElement} form
 */
function fillInPresets(form) {
  const preset = /** @type {HTMLSelectElement} */ (form.elements.namedItem("aug_preset"));
  const presets = JSON.parse(need("[data-presets]", form).dataset.presets ?? "{}");
  form.addEventListener("input", (event) => {
    const field = /** @type {HTMLInputElement} */ (event.target);
    if (field === preset) {
      for (const [name, value] of Object.entries(presets[preset.value] ?? {})) setField(form, name, value);
      form.dispatchEvent(new Event("change")); // fields that apply now are others
    } else if (field.name.startsWith("aug_") && field.name !== "aug_whitening") {
      preset.value = "own";
    }
  });
}

/**
 * @param {HTMLFormElement} form
 * @param {string} name
 * @param {unknown} value
 */
function setField(form, name, value) {
  const field = /** @type {HTMLInputElement} */ (form.elements.namedItem(name));
  if (field.type === "checkbox") field.checked = Boolean(value);
  else field.value = String(value);
  const slider = form.querySelector(`[data-slider="${name}"]`);
  if (slider instanceof HTMLInputElement) slider.value = String(value);
}

/** @param {HTMLFormElement} form */
function followSliders(form) {
  for (const slider of /** @type {HTMLInputElement[]} */ (all("[data-slider]", form))) {
    const field = /** @type {HTMLInputElement} */ (form.elements.namedItem(slider.dataset.slider ?? ""));
    slider.addEventListener("input", () => {
      field.value = slider.value;
      field.dispatchEvent(new Event("input", { bubbles: true }));
    });
    field.addEventListener("input", () => {
      slider.value = field.value;
    });
  }
}

/**
 * Asked for while they can be seen; an answer that comes too late is thrown away.
 * @param {HTMLFormElement} form
 */
function showPictures(form) {
  const place = need("[data-augment-example]", form);
  const message = need("[data-augment-message]", form);
  const waiting = need("[data-augment-waiting]", form);
  const others = need("[data-augment-others]", form);
  let turn = 0;
  let asked = "";
  /** @type {AbortController | undefined} */
  let asking;
  const update = afterQuiet(async () => {
    const values = new FormData(form);
    if (!place.offsetParent || !values.get("dataset")) return;
    const sent = [...values].filter(([name, value]) => SENT.test(name) && typeof value === "string");
    const body = new URLSearchParams(/** @type {[string, string][]} */ ([...sent, ["turn", String(turn)]]));
    if (body.toString() === asked) return;
    asked = body.toString();
    asking?.abort();
    asking = new AbortController();
    try {
      const found = await (await send(place.dataset.augmentExample ?? "", body, "POST", asking.signal)).json();
      show(place, found.pictures);
      message.textContent = "";
      waiting.textContent = found.waiting ?? "";
      others.hidden = Boolean(found.waiting);
      if (found.waiting) askAgain();
    } catch (error) {
      if (error instanceof DOMException && error.name === "AbortError") return; // asked anew
      if (!(error instanceof RequestFailed)) throw error;
      waiting.textContent = "";
      message.textContent = messagesOf(error).join(" ");
    }
  }, QUIET_MS);
  const askAgain = afterQuiet(() => {
    asked = "";
    update();
  }, WAITING_MS);
  others.addEventListener("click", () => {
    turn += 1;
    update();
  });
  form.addEventListener("input", update);
  form.addEventListener("change", update);
  need("[data-more-options]", form).addEventListener("toggle", update);
  update();
}

/**
 * @param {HTMLElement} place
 * @param {{name: string, image: string, error: string | null}[]} pictures
 */
function show(place, pictures) {
  place.replaceChildren(
    ...pictures.map(({ name, image, error }) =>
      image
        ? element("img", { src: image, alt: `${name}, changed at random` })
        : element("p", { class: "muted" }, error ?? ""),
    ),
  );
}
