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
 * Open what is folded away where a field in it was changed: by the browser, which kept what was typed.
 * @param {HTMLFormElement} form
 */
export function unfoldChanged(form) {
  for (const fold of /** @type {HTMLDetailsElement[]} */ (all("details[data-more-options]", form))) {
    fold.open ||= all("input[name], select, textarea", fold).some(isChanged);
  }
}

/** @param {Element} field */
function isChanged(field) {
  if (field instanceof HTMLSelectElement) {
    return [...field.options].some((option) => option.selected !== option.defaultSelected) && field.selectedIndex > 0;
  }
  if (field instanceof HTMLInputElement && ["checkbox", "radio"].includes(field.type)) {
    return field.checked !== field.defaultChecked;
  }
  return (field instanceof HTMLInputElement || field instanceof HTMLTextAreaElement) && field.value !== field.defaultValue;
}
