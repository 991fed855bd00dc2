/** What changes in the model form where a network begins with weights: what learns is asked first, and a network with a
    mean and a scale of its own takes no others. */

import { all, need } from "../web/dom.js";
import { valueOf } from "../forms/fields.js";

const OWN_INPUT = ["use_mean", "mean_value", "scale", "aug_whitening"];

/** @param {HTMLFormElement} form */
export function followPretrained(form) {
  const choice = need("[data-what-learns]", form);
  const usual = need("[data-what-learns-place=more]", form);
  const first = need("[data-what-learns-place=first]", form);
  const update = () => {
    const network = chosenNetwork(form);
    const place = (network && hasWeights(form, network)) || namesWeights(form) ? first : usual;
    if (choice.parentElement !== place) place.append(choice);
    const isOwn = network?.hasAttribute("data-own-input") || namesWeights(form);
    for (const name of OWN_INPUT) {
      const field = form.elements.namedItem(name);
      if (field instanceof HTMLInputElement || field instanceof HTMLSelectElement) field.disabled = isOwn;
    }
    for (const note of all("[data-own-input-note]", form)) note.hidden = !isOwn;
  };
  form.addEventListener("change", update);
  update();
}

/**
 * @param {HTMLFormElement} form
 * @returns {HTMLInputElement | null}
 */
function chosenNetwork(form) {
  const method = valueOf(form, "method");
  const list = ["standard", "previous", "pretrained"].includes(method) ? `${method}_networks` : "";
  return list ? form.querySelector(`input[name=${list}]:checked`) : null;
}

/**
 * Whether training begins with the weights of this network.
 * @param {HTMLFormElement} form
 * @param {HTMLInputElement} network
 */
function hasWeights(form, network) {
  if (network.name === "pretrained_networks") return true;
  if (network.name === "standard_networks") return network.hasAttribute("data-own-input");
  return valueOf(form, `${network.value}-snapshot`) !== "0";
}

/**
 * Whether a custom network begins with the weights of a standard one, by its name.
 * @param {HTMLFormElement} form
 */
function namesWeights(form) {
  if (valueOf(form, "method") !== "custom") return false;
  const name = valueOf(form, "custom_network_snapshot").trim();
  return all("input[name=standard_networks][data-own-input]", form).some(
    (network) => /** @type {HTMLInputElement} */ (network).value === name,
  );
}
