/** The text of a custom network: an editor, filled from another network, drawn as a graph. */

import { all, element, need } from "../web/dom.js";
import { showInDialog } from "../web/dialogs.js";
import { valueOf } from "../forms/fields.js";
import { RequestFailed, send } from "../web/http.js";
import { withErrorsShown } from "../web/toasts.js";

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
      withErrorsShown(async () => customize(form, button, (await open()) ?? text)),
    );
  }
  const button = need("[data-visualize]", form);
  button.addEventListener("click", () =>
    withErrorsShown(async () => {
      const opened = await editor;
      opened?.save();
      try {
        await visualize(form, button, text.value);
      } catch (error) {
        if (error instanceof RequestFailed) markLines(opened, [error.message]);
        throw error;
      }
    }),
  );
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
  tab.dispatchEvent(new Event("change", { bubbles: true }));
  editor.setValue(network);
  editor.refresh();
  const path = /** @type {HTMLInputElement} */ (form.elements.namedItem("custom_network_snapshot"));
  path.value = snapshot ?? "";
  tab.focus();
}

/**
 * @param {HTMLFormElement} form
 * @param {HTMLElement} button
 * @param {string} network
 */
async function visualize(form, button, network) {
  button.toggleAttribute("disabled", true);
  try {
    const body = new URLSearchParams({ custom_network: network, dataset: valueOf(form, "dataset"), format: "svg" });
    const answer = await send(button.dataset.visualize ?? "", body);
    const picture = element("div", { class: "network-picture", tabindex: "0" });
    picture.innerHTML = await answer.text(); // the server's own fragment
    const image = picture.querySelector("img");
    const content = element("div", {}, ...(image ? [zoomButtons(picture, image)] : []), picture);
    showInDialog("The network", content);
  } finally {
    button.toggleAttribute("disabled", false);
  }
}

/**
 * Buttons that make a picture larger and smaller in its scrolling frame, and fit it in.
 * @param {HTMLElement} frame
 * @param {HTMLImageElement} image
 */
function zoomButtons(frame, image) {
  let zoom = 1;
  /** @param {number} wanted */
  const show = (wanted) => {
    zoom = Math.min(8, Math.max(0.05, wanted));
    image.width = Math.max(1, Math.round(image.naturalWidth * zoom));
  };
  const fit = () => show(Math.min(1, frame.clientWidth / (image.naturalWidth || 1)));
  /** @type {[string, string, () => void][]} */
  const actions = [
    ["−", "Smaller", () => show(zoom / 1.4)],
    ["+", "Larger", () => show(zoom * 1.4)],
    ["Fit", "Fit the width", fit],
    ["100%", "True size", () => show(1)],
  ];
  const buttons = actions.map(([words, label, act]) => {
    const button = element("button", { type: "button", class: "btn btn-sm btn-outline-secondary", "aria-label": label }, words);
    button.addEventListener("click", act);
    return button;
  });
  image.decode().then(fit, () => undefined); // a picture that cannot be decoded shows its words
  return element("div", { class: "page-tools zoom-tools" }, ...buttons);
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
  editor.on("change", () => markLines(editor, [])); // what was wrong may be mended now
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
