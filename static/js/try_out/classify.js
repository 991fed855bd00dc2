/** The form that tries a model out: results of pictures appear in it, errors at its fields. All layers, and
    lists of pictures, get a page of their own, once the server has found nothing wrong with what is sent. */

import { need } from "../web/dom.js";
import { clearFieldErrors, showError, showFieldErrors, shownErrors } from "../web/errors.js";
import { RequestFailed, messagesOf, send } from "../web/http.js";
import { offerCamera } from "./camera.js";
import { offerDrawing } from "./drawing.js";
import { offerPictures } from "./pictures_to_try.js";
import { takePictures } from "./pictures_taken.js";
import { resultOf } from "./result.js";
import { classifySeveral } from "./several.js";

/** @param {HTMLFormElement} form */
export function classifyHere(form) {
  const one = /** @type {HTMLButtonElement} */ (need("[data-classify-one]", form));
  const file = fileField(form);
  let checked = false;
  /** @type {(() => void) | null} what is to be classified when the present picture is done: the latest alone */
  let next = null;

  file.multiple = true; // without scripts the server takes one
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
    }).finally(() => {
      const prepare = next;
      next = null;
      if (prepare) takeOne(prepare);
    });
  });
  form.addEventListener("keydown", (event) => submitItsOwnPart(form, event));
  for (const field of [file, urlField(form)]) field.addEventListener("input", () => choose(form, {}));

  /** @param {() => void} prepare fills in the form's fields */
  function takeOne(prepare) {
    if (one.disabled) {
      next = prepare;
      return;
    }
    prepare();
    form.requestSubmit(one);
  }

  /** @param {import("./pictures_taken.js").Taken[]} pictures */
  function take(pictures) {
    if (pictures.length < 2) takeOne(() => choose(form, { file: pictures[0]?.file }));
    else attempt(form, one, () => several(form, pictures));
  }

  takePictures(form, need("[data-drop-zone]", form), take, (address) => takeOne(() => choose(form, { address })));
  offerPictures(form, (record) => takeOne(() => choose(form, { record })));
  offerDrawing(form, (drawn) => takeOne(() => choose(form, { file: drawn })));
  offerCamera(form, (photo) => takeOne(() => choose(form, { file: photo })));
}

/** @param {HTMLFormElement} form */
function fileField(form) {
  return /** @type {HTMLInputElement} */ (need("[name='image_file']", form));
}

/** @param {HTMLFormElement} form */
function urlField(form) {
  return /** @type {HTMLInputElement} */ (need("[name='image_url']", form));
}

/**
 * Let the form name this picture and no other; without any, what was typed or chosen by hand stays.
 * @param {HTMLFormElement} form
 * @param {{file?: File, address?: string, record?: {set: string, number: string}}} picture
 */
function choose(form, { file, address, record }) {
  for (const [name, value] of [["picture_set", record?.set], ["picture_number", record?.number]]) {
    const field = form.querySelector(`[name='${name}']`);
    if (field instanceof HTMLInputElement) field.value = value ?? "";
  }
  if (!file && address === undefined && !record) return;
  const files = new DataTransfer();
  if (file) files.items.add(file);
  fileField(form).files = files.files;
  urlField(form).value = address ?? "";
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
 * Classify the chosen picture and show what it is, or several of them as a list.
 * @param {HTMLFormElement} form
 * @param {FormData} values
 */
async function classify(form, values) {
  const files = /** @type {File[]} */ (values.getAll("image_file"));
  if (files.length > 1) return several(form, files.map((file) => ({ file, name: file.name, kept: true })));
  const place = need("[data-classified]", form);
  place.setAttribute("aria-busy", "true");
  try {
    const shown = await resultOf(form, values);
    place.replaceChildren(shown);
    form.dispatchEvent(new CustomEvent("digits:classified", { detail: shown }));
    // Who draws, goes on drawing.
    if (!document.activeElement?.closest("[data-drawing]")) place.scrollIntoView({ block: "nearest" });
  } finally {
    place.removeAttribute("aria-busy");
  }
}

/**
 * @param {HTMLFormElement} form
 * @param {import("./pictures_taken.js").Taken[]} pictures
 */
async function several(form, pictures) {
  const values = new FormData(form);
  values.set("image_file", pictures[0].file);
  values.append("image_file", pictures[1].file);
  requireOneForLayers(values);
  await classifySeveral(form, need("[data-classified]", form), pictures);
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
