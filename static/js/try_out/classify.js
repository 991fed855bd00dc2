/** The form that tries a model out: results of pictures appear in it, errors at its fields. All layers, and
    lists of pictures, get a page of their own, once the server has found nothing wrong with what is sent. */

import { element, need } from "../web/dom.js";
import { clearFieldErrors, showError, showFieldErrors, shownErrors } from "../web/errors.js";
import { RequestFailed, messagesOf, request, send } from "../web/http.js";
import { explainOnDemand } from "./explain.js";
import { takePictures } from "./pictures_taken.js";

/** @param {HTMLFormElement} form */
export function classifyHere(form) {
  const one = /** @type {HTMLButtonElement} */ (need("[data-classify-one]", form));
  let checked = false;
  fileField(form).multiple = true; // one after the other; without scripts the server takes one
  form.addEventListener("submit", (event) => {
    const button = /** @type {HTMLButtonElement} */ (event.submitter ?? one);
    if (checked || "asItIs" in button.dataset) {
      checked = false;
      return;
    }
    event.preventDefault();
    const values = new FormData(form);
    attempt(form, button, async () => {
      requireOneForLayers(values);
      if (button === one && !values.has("show_visualizations")) return classify(form, values);
      await check(form, button, values);
      checked = true;
      form.requestSubmit(button);
    });
  });
  form.addEventListener("keydown", (event) => submitItsOwnPart(form, event));
  takePictures(form, need("[data-drop-zone]", form), (files, address) => {
    fileField(form).files = files;
    /** @type {HTMLInputElement} */ (need("[name='image_url']", form)).value = address;
    form.requestSubmit(one);
  });
}

/** @param {HTMLFormElement} form */
function fileField(form) {
  return /** @type {HTMLInputElement} */ (need("[name='image_file']", form));
}

/**
 * Do something with the form; what went wrong stands at its field, or below the form, until the next try.
 * @param {HTMLFormElement} form
 * @param {HTMLButtonElement} button
 * @param {() => Promise<void>} work
 */
async function attempt(form, button, work) {
  for (const box of shownErrors(form)) box.remove();
  clearFieldErrors(form);
  button.disabled = true;
  button.setAttribute("aria-busy", "true");
  try {
    await work();
  } catch (error) {
    const fields = error instanceof RequestFailed ? error.fields : null;
    const rest = fields ? showFieldErrors(form, fields) : messagesOf(error);
    if (rest.length) showError(rest, form);
  } finally {
    button.disabled = false;
    button.removeAttribute("aria-busy");
  }
}

/**
 * The layers of several pictures would be several pages.
 * @param {FormData} values
 */
function requireOneForLayers(values) {
  if (!values.has("show_visualizations") || values.getAll("image_file").length < 2) return;
  const message = "Choose one picture: the layers are shown for one at a time.";
  throw new RequestFailed(message, 400, 0, { image_file: [message] });
}

/**
 * Let the server look at what is sent, without doing it yet.
 * @param {HTMLFormElement} form
 * @param {HTMLButtonElement} button
 * @param {FormData} values
 */
async function check(form, button, values) {
  values.set("check", "yes");
  button.disabled = true;
  await send(button.hasAttribute("formaction") ? button.formAction : form.action, values);
  button.disabled = false; // a disabled button submits nothing
}

/**
 * Classify the chosen pictures one by one, and show each result as it comes.
 * @param {HTMLFormElement} form
 * @param {FormData} values
 */
async function classify(form, values) {
  const place = need("[data-classified]", form);
  const files = /** @type {File[]} */ (values.getAll("image_file"));
  place.setAttribute("aria-busy", "true");
  try {
    if (files.length < 2) {
      place.replaceChildren(await result(form, values));
    } else {
      place.replaceChildren();
      for (const file of files) {
        values.set("image_file", file);
        place.append(await resultOrError(form, values, file.name));
      }
    }
    place.scrollIntoView({ block: "nearest" });
  } finally {
    place.removeAttribute("aria-busy");
  }
}

/**
 * One of several: a picture that cannot be read does not keep the others from being classified.
 * @param {HTMLFormElement} form
 * @param {FormData} values
 * @param {string} name
 */
async function resultOrError(form, values, name) {
  try {
    return await result(form, values);
  } catch (error) {
    if (!(error instanceof RequestFailed) || error.code !== 400) throw error;
    const words = messagesOf(error).join(" ");
    return element("p", { class: "field-error", role: "alert" }, words.includes(name) ? words : `${name}: ${words}`);
  }
}

let count = 0;

/**
 * @param {HTMLFormElement} form
 * @param {FormData} values
 * @returns {Promise<HTMLElement>}
 */
async function result(form, values) {
  const answer = await request(form.action, { method: "POST", body: values });
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const shown = need("[data-classification]", page);
  count += 1;
  // Several results stand on this page.
  for (const part of shown.querySelectorAll("[id]")) part.id += `-${count}`;
  for (const label of shown.querySelectorAll("label")) label.htmlFor += `-${count}`;
  explainOnDemand(shown);
  return shown;
}

/**
 * Enter in a field about many pictures presses the button below it, not the first one of the form.
 * @param {HTMLFormElement} form
 * @param {KeyboardEvent} event
 */
function submitItsOwnPart(form, event) {
  const field = event.target;
  if (event.key !== "Enter" || event.defaultPrevented || !(field instanceof HTMLInputElement)) return;
  const button = field.closest("details")?.querySelector("button[formaction]");
  if (!(button instanceof HTMLButtonElement)) return;
  event.preventDefault();
  form.requestSubmit(button);
}
