/** Says on the form that a folder on the server holds train, val and test, before anything is made. */

import { need } from "../web/dom.js";
import { valueOf } from "../forms/fields.js";
import { RequestFailed, request } from "../web/http.js";

// As digits/sources/split_folders.py has them.
const SETS = new Map([
  ["train", "train"],
  ["training", "train"],
  ["val", "val"],
  ["valid", "val"],
  ["validation", "val"],
  ["test", "test"],
  ["testing", "test"],
]);

/** @param {HTMLFormElement} form */
export function tellOfSplitFolders(form) {
  const place = need("[data-split-seen]", form);
  let looked = "";
  let sets = /** @type {string[]} */ ([]);
  const update = async () => {
    const folder = valueOf(form, "method") === "folder" ? valueOf(form, "folder_train").trim() : "";
    if (folder !== looked) {
      looked = folder;
      sets = folder.startsWith("/") ? await setsIn(form, folder) : [];
      if (folder !== looked) return; // another one was typed meanwhile
    }
    place.hidden = sets.length === 0;
    const used = valueOf(form, "split_folders") === "auto";
    place.textContent = used
      ? `This folder has ${sets.join(", ")} in it. They are used as the split.`
      : `This folder has ${sets.join(", ")} in it. They become categories.`;
  };
  form.addEventListener("change", update);
  update();
}

/**
 * The sets that a folder on the server has as folders; none unless it is a split.
 * @param {HTMLFormElement} form
 * @param {string} folder
 */
async function setsIn(form, folder) {
  const query = encodeURIComponent(`${folder.replace(/\/+$/, "")}/`);
  const suggestions = need("[name='folder_train']", form).dataset.pathField;
  try {
    const paths = /** @type {string[]} */ (await (await request(`${suggestions}?query=${query}`)).json());
    const names = paths.filter((path) => path.endsWith("/")).map((path) => path.split("/").at(-2) ?? "");
    const found = new Set(names.map((name) => SETS.get(name.toLowerCase())));
    found.delete(undefined);
    return found.has("train") && found.size > 1 ? names.filter((name) => SETS.has(name.toLowerCase())) : [];
  } catch (error) {
    if (!(error instanceof RequestFailed)) throw error;
    return []; // what is wrong with the folder is said when the form is sent
  }
}
