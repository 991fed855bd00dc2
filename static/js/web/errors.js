/** Errors where they were caused: beside the button or at the field, until the next try succeeds. */

import { element } from "./dom.js";

/**
 * The place for errors of what was done at an element: its dialog, its panel, the page's head.
 * @param {Element | null} at
 * @returns {{key: Element, put: (box: HTMLElement) => void}}
 */
function placeOf(at) {
  const dialog = at?.closest("dialog") ?? document.querySelector("dialog[open]");
  const buttons = dialog?.querySelector(".dialog-buttons");
  if (dialog && buttons) return { key: dialog, put: (box) => buttons.before(box) };
  const head = at?.closest(".page-head");
  if (head) return { key: head, put: (box) => head.after(box) };
  const form = at?.closest("form");
  const panel = at?.closest(".panel");
  if (form && (!panel || panel.contains(form))) return { key: form, put: (box) => form.append(box) };
  if (panel) {
    // A live part is replaced when the page is fetched again, and what stands in it goes.
    const live = panel.closest("[data-live]");
    const title = panel.querySelector(".panel-head");
    return { key: live ?? panel, put: (box) => (live ? live.before(box) : title ? title.after(box) : panel.prepend(box)) };
  }
  const main = document.querySelector("main") ?? document.body;
  return { key: main, put: (box) => main.prepend(box) };
}

/**
 * The errors that are shown for what is done at an element.
 * @param {Element | null} at
 * @returns {HTMLElement[]}
 */
export function shownErrors(at) {
  const { key } = placeOf(at);
  return (boxes.get(keyOf(key)) ?? []).filter((box) => box.isConnected);
}

/** @type {Map<string | Element, HTMLElement[]>} */
const boxes = new Map();

/**
 * Live parts come as new elements with the same id.
 * @param {Element} key
 */
function keyOf(key) {
  return key.id || key;
}

/**
 * @param {string[]} messages
 * @param {Element | null} at what was pressed or chosen
 */
export function showError(messages, at) {
  const { key, put } = placeOf(at);
  const close = element("button", { class: "btn-close", type: "button", "aria-label": "Close" });
  const words = messages.length > 1
    ? element("ul", {}, ...messages.map((message) => element("li", {}, message)))
    : element("p", {}, messages[0] ?? "");
  const box = element("div", { class: "notice notice-danger error-here", role: "alert" }, words, close);
  close.addEventListener("click", () => box.remove());
  boxes.set(keyOf(key), [...shownErrors(at), box]);
  put(box);
  box.scrollIntoView({ block: "nearest" });
}

/**
 * Show a refused form's errors at its fields; those of no field of the form are answered.
 * @param {HTMLFormElement} form
 * @param {Record<string, string[]>} fields
 * @returns {string[]}
 */
export function showFieldErrors(form, fields) {
  /** @type {string[]} */
  const rest = [];
  /** @type {HTMLElement | undefined} */
  let first;
  for (const [name, messages] of Object.entries(fields)) {
    const control = form.elements.namedItem(name);
    const field = control instanceof HTMLElement ? control.closest(".field") : null;
    if (!(control instanceof HTMLElement) || !field) {
      rest.push(...messages);
      continue;
    }
    const id = `${control.id}-error`;
    field.append(...messages.map((text, number) => element("p", { class: "field-error", role: "alert", id: `${id}${number || ""}`, "data-field-error": "" }, text)));
    control.setAttribute("aria-invalid", "true");
    control.setAttribute("aria-describedby", id);
    for (let part = field.closest("details"); part; part = part.parentElement?.closest("details") ?? null) part.open = true;
    first ??= control;
  }
  first?.focus();
  return rest;
}

/** @param {HTMLFormElement} form */
export function clearFieldErrors(form) {
  for (const error of form.querySelectorAll("[data-field-error]")) error.remove();
  for (const control of form.querySelectorAll("[aria-invalid]")) {
    control.removeAttribute("aria-invalid");
    control.removeAttribute("aria-describedby");
  }
}
