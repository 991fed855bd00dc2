/** A name for the dataset, until somebody types another one. */

import { need } from "../../web/dom.js";
import { afterPress } from "../../web/pointer.js";

let suggested = "";

/**
 * @param {HTMLFormElement} form
 * @param {string} folder the folder's name
 */
export function suggestName(form, folder) {
  const field = /** @type {HTMLInputElement} */ (need("[name='dataset_name']", form));
  if (field.value.trim() && field.value !== suggested) return;
  suggested = folder.replace(/_/g, " ").trim();
  field.value = suggested;
  // It may appear while somebody goes to the field: what is typed there takes its place.
  const select = () => afterPress(() => field.value === suggested && field.select());
  field.addEventListener("focus", select, { once: true });
}
