/** Marks the networks of the model form that do not fit the chosen dataset, with the reason. */

import { all } from "../web/dom.js";
import { valueOf } from "../forms/fields.js";
import { RequestFailed, request } from "../web/http.js";

/** @param {HTMLFormElement} form */
export function markWhatDoesNotFit(form) {
  // Not by `form.dataset`, which is the field of that name.
  const address = form.getAttribute("data-fit-url");
  let asked = "";
  const update = async () => {
    const dataset = valueOf(form, "dataset");
    if (dataset === asked || dataset === "") return;
    asked = dataset;
    try {
      const answer = await request(`${address}?dataset=${encodeURIComponent(dataset)}`);
      const notes = await answer.json();
      if (dataset === asked) show(form, notes);
    } catch (error) {
      if (!(error instanceof RequestFailed)) throw error;
      show(form, {}); // the form says what is wrong when it is sent
    }
  };
  form.addEventListener("change", update);
  update();
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
