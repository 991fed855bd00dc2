/** The model form's curve of the learning rate, as the chosen policy will make it. */

import { afterQuiet, need } from "../web/dom.js";
import { updateGraphs } from "../graphs/graphs.js";
import { titleOf } from "../forms/errors.js";
import { RequestFailed, send } from "../web/http.js";

/** @param {HTMLFormElement} form */
export function showLearningRate(form) {
  const place = need("[data-lr-preview]", form);
  const message = need("[data-lr-message]", form);
  let asked = "";
  const update = afterQuiet(async () => {
    const names = [...new FormData(form).entries()].filter(([name]) => /^(learning_rate$|train_epochs$|lr_)/.test(name));
    const body = new URLSearchParams(names.map(([name, value]) => [name, String(value)]));
    if (body.toString() === asked) return;
    asked = body.toString();
    try {
      const answer = await (await send(place.dataset.lrPreview ?? "", body)).json();
      message.textContent = "";
      updateGraphs("lr_preview", "", answer.data);
    } catch (error) {
      if (!(error instanceof RequestFailed)) throw error;
      message.textContent = withFields(form, error).join(" ");
    }
  }, 250);
  form.addEventListener("input", update);
  form.addEventListener("change", update);
  update();
}

/**
 * What an error says of each field, after the name that the form gives it.
 * @param {HTMLFormElement} form
 * @param {RequestFailed} error
 * @returns {string[]}
 */
function withFields(form, error) {
  if (!error.fields) return [error.message];
  return Object.entries(error.fields).flatMap(([name, texts]) => {
    const title = titleOf(form, name);
    return texts.map((text) => (title ? `${title}: ${text}` : text));
  });
}
