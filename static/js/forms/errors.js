/** What is wrong with a form: a list above it with a way to each field, and words at the fields. */

import { all, element } from "../web/dom.js";

/**
 * Follow the list's links to fields that are folded away, or have an editor in their place.
 * @param {HTMLFormElement} form
 */
export function followErrorLinks(form) {
  document.addEventListener("click", (event) => {
    const link = event.target instanceof Element ? event.target.closest("[data-form-errors] a[href^='#']") : null;
    if (!link) return;
    const field = document.getElementById(decodeURIComponent(link.getAttribute("href")?.slice(1) ?? ""));
    if (!field || !form.contains(field)) return;
    event.preventDefault();
    show(field);
  });
}

/** @param {HTMLElement} field */
function show(field) {
  for (let fold = field.closest("details"); fold; fold = fold.parentElement?.closest("details") ?? null) fold.open = true;
  // CodeMirror hides the text area and stands behind it.
  const editor = field.nextElementSibling?.matches(".CodeMirror") ? field.nextElementSibling.querySelector("textarea") : null;
  const target = editor ?? (field.matches("input, select, textarea") ? field : field.querySelector("input, select, textarea")) ?? field;
  target.scrollIntoView({ block: "center" });
  /** @type {HTMLElement} */ (target).focus({ preventScroll: true });
}

/**
 * Focus the first field with an error, so that the reader lands where something is to be done.
 * @param {HTMLFormElement} form
 */
export function focusFirstError(form) {
  const field = all("[aria-invalid='true']", form).find((input) => input.offsetParent !== null);
  field?.focus();
}

/**
 * Put the server's messages at their fields, and all of them into the list above the form.
 * @param {HTMLFormElement} form
 * @param {Record<string, string[]>} errors by the fields' names
 */
export function showErrors(form, errors) {
  clearErrors(form);
  const found = Object.entries(errors).map(([name, messages]) => ({ name, messages, title: putAtField(form, name, messages) }));
  const rows = found.flatMap(({ name, messages, title }) => messages.map((text) => row(name, title, text)));
  const marked = found.some(({ title }) => title) ? " Fix the fields marked in red." : "";
  const box = element("div", { class: "notice notice-danger", role: "alert", "data-form-errors": "" });
  box.append(
    element("p", {}, element("b", {}, "This could not be created yet."), marked),
    element("ul", {}, ...rows),
  );
  form.before(box);
  focusFirstError(form);
}

/** @param {HTMLFormElement} form */
export function clearErrors(form) {
  for (const old of all(".field-error", form)) old.remove();
  for (const old of all("[data-form-errors]")) old.remove();
  for (const old of all("[aria-invalid='true']", form)) {
    old.removeAttribute("aria-invalid");
    old.classList.remove("is-invalid");
  }
}

/**
 * The field's title; empty where there is no such field.
 * @param {HTMLFormElement} form
 * @param {string} name
 * @param {string[]} messages
 */
function putAtField(form, name, messages) {
  const input = inputOf(form, name);
  const field = input?.closest(".field");
  if (!input || !field) return "";
  input.setAttribute("aria-invalid", "true");
  input.classList.add("is-invalid");
  field.append(
    ...messages.map((text, place) => element("p", { class: "field-error", id: `${name}-error${place || ""}` }, text)),
  );
  input.setAttribute("aria-describedby", `${name}-help ${name}-error`);
  input.closest("details")?.setAttribute("open", "");
  return titleOf(form, name);
}

/**
 * @param {HTMLFormElement} form
 * @param {string} name
 */
function inputOf(form, name) {
  return form.querySelector(`[name="${CSS.escape(name)}"]`);
}

/**
 * What the form calls a field; empty where there is no such field.
 * @param {HTMLFormElement} form
 * @param {string} name
 */
export function titleOf(form, name) {
  return inputOf(form, name)?.closest(".field")?.querySelector("label")?.textContent?.trim() ?? "";
}

/**
 * @param {string} name
 * @param {string} title
 * @param {string} text
 */
function row(name, title, text) {
  return title ? element("li", {}, element("a", { href: `#${name}` }, title), `: ${text}`) : element("li", {}, text);
}
