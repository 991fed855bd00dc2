/** Where the network saw a class: a heat map over the picture, at a switch (Grad-CAM). */

import { need } from "../web/dom.js";
import { send } from "../web/http.js";
import { withErrorsShown } from "../web/toasts.js";

/**
 * Make the switch of a classified picture work.
 * @param {HTMLElement} shown the part with `data-classification`
 */
export function explainOnDemand(shown) {
  const explanation = new Explanation(shown);
  for (const control of [explanation.control, explanation.chosen]) {
    control.addEventListener("change", () => withErrorsShown(() => explanation.show()));
  }
}

class Explanation {
  /** @param {HTMLElement} shown */
  constructor(shown) {
    this.url = shown.dataset.explainUrl ?? "";
    this.epoch = shown.dataset.epoch ?? "";
    this.control = /** @type {HTMLInputElement} */ (need("[data-explain]", shown));
    this.chosen = /** @type {HTMLSelectElement} */ (need("[data-explain-class]", shown));
    this.picture = /** @type {HTMLImageElement} */ (need("[data-seen]", shown));
    this.note = need("[data-seen-note]", shown);
    this.seen = this.picture.src;
    this.words = this.note.textContent ?? "";
  }

  /** Show the heat map of the chosen class, or the bare picture when the switch is off. */
  async show() {
    if (!this.control.checked) return this.put(this.seen, this.words);
    const index = this.chosen.value;
    this.picture.setAttribute("aria-busy", "true");
    try {
      const body = new FormData();
      body.set("snapshot_epoch", this.epoch);
      body.set("class_index", index);
      body.set("picture", this.seen.split(",")[1]);
      const { picture, label, layer } = await (await send(this.url, body)).json();
      // Meanwhile the reader may have chosen otherwise.
      if (!this.control.checked || this.chosen.value !== index) return;
      this.put(`data:image/png;base64,${picture}`, `Where it saw “${label}”, by the layer ${layer}`);
    } catch (error) {
      this.control.checked = false;
      this.put(this.seen, this.words);
      throw error;
    } finally {
      this.picture.removeAttribute("aria-busy");
    }
  }

  /**
   * @param {string} address
   * @param {string} words
   */
  put(address, words) {
    this.picture.src = address;
    this.note.textContent = words;
  }
}
