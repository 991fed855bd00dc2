/** Fields that are shown only when they apply: `data-when="NAME=VALUE,VALUE"`.

    VALUE is a choice of the field NAME; for a checkbox `on` or `off`. Hidden fields keep what was
    typed and are sent all the same: the server takes those that belong to the choice. */

import { all } from "../web/dom.js";

/** @param {HTMLFormElement} form */
export function showFieldsThatApply(form) {
  const update = () => {
    for (const part of all("[data-when]", form)) part.hidden = !applies(form, part.dataset.when ?? "");
  };
  form.addEventListener("change", update);
  update();
}

/**
 * @param {HTMLFormElement} form
 * @param {string} condition
 */
function applies(form, condition) {
  const [name, values] = condition.split("=");
  return values.split(",").includes(valueOf(form, name));
}

/**
 * The present value of a choice, list or checkbox.
 * @param {HTMLFormElement} form
 * @param {string} name
 * @returns {string}
 */
export function valueOf(form, name) {
  const field = form.elements.namedItem(name);
  if (field instanceof HTMLInputElement && field.type === "checkbox") return field.checked ? "on" : "off";
  return String(new FormData(form).get(name) ?? "");
}

/**
 * The form's present values of these fields, to ask the server for a preview.
 * @param {HTMLFormElement} form
 * @param {Record<string, string>} names the form's name of each name to send
 */
export function valuesOf(form, names) {
  const values = new FormData(form);
  return new URLSearchParams(
    Object.entries(names).map(([sent, name]) => [sent, String(values.get(name) ?? "")]),
  );
}

/**
 * Focus the first field with an error, so that the reader lands where something is to be mended.
 * @param {HTMLFormElement} form
 */
export function focusFirstError(form) {
  const field = all("[aria-invalid='true']", form).find((input) => input.offsetParent !== null);
  field?.focus();
}
