/** The snapshots of earlier models in the form: once a model is chosen, each says its accuracy, and the best is
    marked. They are asked for then, since of hundreds of models that are offered one is chosen. */

import { all } from "../web/dom.js";
import { RequestFailed, request } from "../web/http.js";

const FIELD = "previous_networks";
const NAME = "-snapshot";

/** @param {HTMLFormElement} form */
export function nameSnapshots(form) {
  form.addEventListener("change", (event) => {
    const radio = event.target;
    if (radio instanceof HTMLInputElement && radio.name === FIELD && radio.checked) complete(form, radio.value);
  });
  const chosen = form.querySelector(`input[name="${FIELD}"]:checked`);
  if (chosen instanceof HTMLInputElement) complete(form, chosen.value);
}

/**
 * @param {HTMLFormElement} form
 * @param {string} id of a model
 */
async function complete(form, id) {
  const list = form.querySelector(`select[name="${CSS.escape(id + NAME)}"]`);
  if (!list) return;
  try {
    const address = `${document.body.dataset.root ?? ""}/models/${encodeURIComponent(id)}.json`;
    const { snapshot_details: details } = await (await request(address)).json();
    for (const option of /** @type {HTMLOptionElement[]} */ (all("option", list))) {
      const snapshot = details.find((/** @type {Snapshot} */ each) => each.epoch > 0 && each.epoch === Number(option.value));
      if (snapshot) option.textContent = snapshot.words;
    }
  } catch (error) {
    // The list works without: its epochs stand there.
    if (!(error instanceof RequestFailed)) throw error;
  }
}

/** @typedef {{epoch: number, words: string}} Snapshot */
