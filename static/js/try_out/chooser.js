/** Which of many classified pictures are shown: a form, links (such as those of the confusion matrix),
    and the heads of the table, which sort. All of them say it as an address says it. */

import { afterQuiet, need } from "../web/dom.js";

const TYPING_MS = 300;

/**
 * Call `show` with each new choice.
 * @param {(choice: URLSearchParams) => void} show
 */
export function handleChoices(show) {
  const showForm = () => show(choiceOf(form()));
  const showSoon = afterQuiet(showForm, TYPING_MS);
  document.addEventListener("submit", (event) => {
    if (event.target !== form()) return;
    event.preventDefault();
    showForm();
  });
  document.addEventListener("input", (event) => {
    if (event.target instanceof HTMLInputElement && event.target.form === form()) showSoon();
    if (event.target instanceof HTMLSelectElement && event.target.form === form()) showForm();
  });
  document.addEventListener("click", (event) => {
    const link = event.target instanceof Element ? event.target.closest("a[data-choose], a[data-sort]") : null;
    if (!(link instanceof HTMLAnchorElement) || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    const choice = new URL(link.href).searchParams;
    fill(choice);
    show(choice);
    if (!link.closest("#classifications, [data-stay]")) need("#classifications").scrollIntoView();
  });
}

function form() {
  return /** @type {HTMLFormElement} */ (need("[data-chooser]"));
}

/** @param {HTMLFormElement} form */
function choiceOf(form) {
  const choice = new URLSearchParams();
  for (const [name, value] of new FormData(form)) if (value) choice.set(name, String(value));
  return choice;
}

/**
 * Let the form say what a link has chosen.
 * @param {URLSearchParams} choice
 */
function fill(choice) {
  for (const control of form().elements) {
    if (control instanceof HTMLInputElement || control instanceof HTMLSelectElement) {
      control.value = choice.get(control.name) ?? "";
    }
  }
}
