/** Marks the networks of the model form that do not fit the chosen dataset, with the reason.

    The standard network follows the dataset until somebody chooses one. */

import { all, need } from "../web/dom.js";
import { valueOf } from "../forms/fields.js";
import { RequestFailed, request } from "../web/http.js";

const NETWORK = "standard_networks";

/** @param {HTMLFormElement} form */
export function markWhatDoesNotFit(form) {
  // Not by `form.dataset`, which is the field of that name.
  const address = form.getAttribute("data-fit-url");
  let asked = "";
  // The browser's history may have brought back what somebody chose.
  let follows = form.hasAttribute("data-preselects") && !networks(form).some((box) => box.checked && !box.defaultChecked);
  const update = async () => {
    const dataset = valueOf(form, "dataset");
    if (dataset === asked || dataset === "") return;
    asked = dataset;
    try {
      const answer = await request(`${address}?dataset=${encodeURIComponent(dataset)}`);
      const { preselected, reason, ...notes } = await answer.json();
      if (dataset !== asked) return;
      show(form, notes);
      if (follows) choose(form, preselected);
      tell(form, follows ? reason : "");
    } catch (error) {
      if (!(error instanceof RequestFailed)) throw error;
      show(form, {}); // the form says what is wrong when it is sent
    }
  };
  form.addEventListener("change", (event) => {
    // Events of scripts, as that of `choose`, are nobody's choice.
    const { name } = /** @type {HTMLInputElement} */ (event.target);
    if (name === NETWORK && event.isTrusted) {
      follows = false;
      tell(form, "");
    }
    update();
  });
  update();
}

/**
 * @param {HTMLFormElement} form
 * @returns {HTMLInputElement[]}
 */
function networks(form) {
  return /** @type {HTMLInputElement[]} */ (all(`input[name="${NETWORK}"]`, form));
}

/**
 * Choose a standard network, and let the rest of the form know.
 * @param {HTMLFormElement} form
 * @param {string} name
 */
function choose(form, name) {
  const box = networks(form).find((each) => each.value === name);
  if (!box || box.checked) return;
  box.checked = true;
  box.dispatchEvent(new Event("change", { bubbles: true }));
}

/**
 * Say why the network was chosen.
 * @param {HTMLFormElement} form
 * @param {string} reason
 */
function tell(form, reason) {
  const note = need("[data-reason]", form);
  note.textContent = reason;
  note.hidden = reason === "";
}

/**
 * @param {HTMLFormElement} form
 * @param {Record<string, Record<string, string>>} notes by the list, and by the network
 */
function show(form, notes) {
  for (const place of all("[data-fit]", form)) {
    const [list, network] = (place.dataset.fit ?? "").split(":");
    const note = notes[list ?? ""]?.[network ?? ""] ?? "";
    place.textContent = note;
    place.toggleAttribute("hidden", note === "");
  }
}
