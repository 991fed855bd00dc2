/** The form that tries a model out: one picture's result appears below it, on the same page. A picture
    may be dropped onto the form or pasted. */

import { need } from "../web/dom.js";
import { explainOnDemand } from "./explain.js";
import { request } from "../web/http.js";
import { toast, withErrorsShown } from "../web/toasts.js";

/**
 * Answer "classify one" here; all layers, and lists of pictures, get a page of their own.
 * @param {HTMLFormElement} form
 */
export function classifyHere(form) {
  const button = /** @type {HTMLButtonElement} */ (need("[data-classify-one]", form));
  form.addEventListener("submit", (event) => {
    const values = new FormData(form);
    if (event.submitter !== button || values.has("show_visualizations")) return;
    event.preventDefault();
    withErrorsShown(() => classify(form, button, values));
  });
  takeDroppedPictures(form, need("[data-drop-zone]", form), button);
  takePastedPictures(form, button);
}

/**
 * @param {HTMLFormElement} form
 * @param {HTMLButtonElement} button
 * @param {FormData} values
 */
async function classify(form, button, values) {
  const place = need("[data-classified]", form);
  button.disabled = true;
  place.setAttribute("aria-busy", "true");
  try {
    const answer = await request(form.action, { method: "POST", body: values });
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const shown = need("[data-classification]", page);
    place.replaceChildren(shown);
    explainOnDemand(shown);
    place.scrollIntoView({ block: "nearest" });
  } finally {
    button.disabled = false;
    place.removeAttribute("aria-busy");
  }
}

/**
 * @param {HTMLFormElement} form
 * @param {HTMLElement} zone
 * @param {HTMLButtonElement} button
 */
function takeDroppedPictures(form, zone, button) {
  zone.addEventListener("dragover", (event) => {
    // Without this the browser would open the picture in place of the page.
    event.preventDefault();
    zone.classList.add("drop-target");
  });
  for (const end of ["dragleave", "drop"]) zone.addEventListener(end, () => zone.classList.remove("drop-target"));
  zone.addEventListener("drop", (event) => {
    event.preventDefault();
    const data = event.dataTransfer;
    const address = data?.getData("text/uri-list").split("\n")[0].trim();
    if (data?.files.length) take(form, button, data.files);
    else if (address) takeAddress(form, button, address);
    else toast("That is no image file. Drop a file, or an image of another page.");
  });
}

/**
 * @param {HTMLFormElement} form
 * @param {HTMLButtonElement} button
 */
function takePastedPictures(form, button) {
  document.addEventListener("paste", (event) => {
    // Text is pasted into fields as ever.
    const files = event.clipboardData?.files;
    if (!files?.length || form.hidden) return;
    event.preventDefault();
    take(form, button, files);
  });
}

/**
 * Put the first picture into the form's field, as if it had been chosen there, and classify it.
 * @param {HTMLFormElement} form
 * @param {HTMLButtonElement} button
 * @param {FileList} files
 */
function take(form, button, files) {
  const picture = [...files].find((file) => file.type.startsWith("image/")) ?? files[0];
  const field = /** @type {HTMLInputElement} */ (need("[name='image_file']", form));
  const one = new DataTransfer();
  one.items.add(picture);
  field.files = one.files;
  form.requestSubmit(button);
}

/**
 * The same for a picture that another page shows.
 * @param {HTMLFormElement} form
 * @param {HTMLButtonElement} button
 * @param {string} address
 */
function takeAddress(form, button, address) {
  /** @type {HTMLInputElement} */ (need("[name='image_file']", form)).value = "";
  /** @type {HTMLInputElement} */ (need("[name='image_url']", form)).value = address;
  form.requestSubmit(button);
}
