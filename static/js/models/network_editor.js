/** The text of a custom network: an editor, filled from another network, with its mistakes marked. */

import { busyWhile } from "../web/busy.js";
import { all, element, need } from "../web/dom.js";
import { RequestFailed, send } from "../web/http.js";
import { withErrorsShown } from "../web/toasts.js";
import { drawNetwork } from "./network_drawing.js";

const LIBRARY = new URL("../../vendor/codemirror/", import.meta.url);

/** @param {HTMLFormElement} form */
export function editNetworks(form) {
  const text = /** @type {HTMLTextAreaElement} */ (form.elements.namedItem("custom_network"));
  /** @type {Promise<any> | undefined} */
  let editor;
  const open = () => (editor ??= openEditor(text));
  form.addEventListener("change", () => {
    // The editor measures itself, so it is made once its tab is shown.
    if (text.offsetParent !== null) open();
  });
  if (text.offsetParent !== null) open();
  form.addEventListener("submit", async () => (await editor)?.save());

  for (const button of all("[data-customize]", form)) {
    button.addEventListener("click", () =>
      withErrorsShown(() => busyWhile(button, async () => customize(form, button, (await open()) ?? text))),
    );
  }
  const button = need("[data-visualize]", form);
  button.addEventListener("click", () =>
    withErrorsShown(() =>
      busyWhile(button, async () => {
        const opened = await editor;
        opened?.save();
        try {
          tell(text, opened, await drawNetwork(form, button.dataset.visualize ?? ""));
        } catch (error) {
          if (!(error instanceof RequestFailed) || error.code !== 400) throw error;
          tell(text, opened, [error.message]);
        }
      }),
    ),
  );
}

/**
 * Say below the editor what is wrong with the network, and mark the lines.
 * @param {HTMLTextAreaElement} text
 * @param {any} editor
 * @param {string[]} problems
 */
function tell(text, editor, problems) {
  const field = /** @type {HTMLElement} */ (text.closest(".field"));
  for (const old of all(".field-error", field)) old.remove();
  field.append(...problems.map((problem) => element("p", { class: "field-error" }, problem)));
  markLines(editor, problems);
  changed(text);
}

/**
 * Put a network's text into the editor and show its tab.
 * @param {HTMLFormElement} form
 * @param {HTMLElement} button says the address to ask, and the list with the chosen snapshot
 * @param {any} editor
 */
async function customize(form, button, editor) {
  const list = form.elements.namedItem(button.dataset.snapshotList ?? "");
  const epoch = list instanceof HTMLSelectElement ? list.value : "";
  const answer = await send(button.dataset.customize ?? "", new URLSearchParams({ snapshot_epoch: epoch }));
  const { network, snapshot } = await answer.json();
  const tab = /** @type {HTMLInputElement} */ (need("input[name='method'][value='custom']", form));
  tab.checked = true;
  changed(tab);
  editor.setValue(network);
  editor.refresh();
  const path = /** @type {HTMLInputElement} */ (form.elements.namedItem("custom_network_snapshot"));
  path.value = snapshot ?? "";
  editor.save?.();
  changed(path);
  tab.focus();
}

/**
 * Tell the form's listeners of a value that a script has set.
 * @param {HTMLElement} field
 */
function changed(field) {
  field.dispatchEvent(new Event("change", { bubbles: true }));
}

/**
 * Mark the lines that messages name by `Line N`, and show the first of them.
 * @param {any} editor
 * @param {string[]} messages
 */
function markLines(editor, messages) {
  if (!editor) return;
  editor.eachLine((/** @type {any} */ line) => editor.removeLineClass(line, "wrap", "line-with-error"));
  const lines = messages.flatMap((text) => [...text.matchAll(/\bLine (\d+)/g)].map(([, line]) => Number(line) - 1));
  for (const line of lines) editor.addLineClass(line, "wrap", "line-with-error");
  if (lines.length) editor.scrollIntoView({ line: Math.min(...lines), ch: 0 }, 80);
}

/**
 * Put CodeMirror, which has a mode for protobuf texts, in place of a text area.
 * @param {HTMLTextAreaElement} text
 */
async function openEditor(text) {
  document.head.prepend(element("link", { rel: "stylesheet", href: `${LIBRARY}codemirror.css` }));
  for (const script of ["codemirror.js", "protobuf.js", "matchbrackets.js"]) await load(script);
  const editor = window.CodeMirror.fromTextArea(text, {
    mode: "text/x-protobuf",
    lineNumbers: true,
    matchBrackets: true,
    // Tab leaves the editor, for those who have no mouse.
    extraKeys: { Tab: false, "Shift-Tab": false },
  });
  markLines(editor, all(`[id^="${text.id}-error"]`).map((error) => error.textContent ?? ""));
  editor.on("change", () => {
    markLines(editor, []); // what was wrong may be right now
    editor.save();
  });
  editor.on("blur", () => changed(text));
  editor.getInputField().setAttribute("aria-label", "The network as prototxt");
  return editor;
}

/**
 * @param {string} name
 * @returns {Promise<void>}
 */
function load(name) {
  return new Promise((resolve, reject) => {
    const script = element("script", { src: `${LIBRARY}${name}` });
    script.addEventListener("load", () => resolve());
    script.addEventListener("error", () => reject(new Error(`${name} could not be loaded`)));
    document.head.append(script);
  });
}
