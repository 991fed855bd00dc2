/** A custom network as a drawing, and beside it why no model could be made of it. */

import { all, element } from "../web/dom.js";
import { showInDialog } from "../web/dialogs.js";
import { send } from "../web/http.js";

const LIGHT_LINES =
  ".graph>polygon{fill:none}.edge path,.edge polygon,.node path,.node polygon{stroke:#c8ced4}" +
  ".edge polygon,.edge text{fill:#c8ced4}";

/**
 * Draw the form's custom network in a dialog; what is wrong with it is also answered.
 * @param {HTMLFormElement} form
 * @param {string} address
 * @returns {Promise<string[]>} messages, some of which begin with `Line N`
 * @throws {import("../web/http.js").RequestFailed} for what cannot be drawn at all
 */
export async function drawNetwork(form, address) {
  const body = textsOf(form);
  body.set("format", "svg");
  const answer = await send(address, body);
  const picture = element("div", { class: "network-picture", tabindex: "0" });
  picture.innerHTML = await answer.text(); // the server's own fragment
  const problems = all("[data-network-problems]", picture);
  const image = picture.querySelector("img");
  if (image && document.documentElement.dataset.bsTheme === "dark") image.src = inTheDark(image.src);
  const view = element("div", { class: "network-view" }, ...problems, picture);
  showInDialog("The network", element("div", {}, ...(image ? [zoomButtons(picture, image)] : []), view));
  return problems.flatMap((box) => all("li", box)).map((row) => row.textContent ?? "");
}

/**
 * A drawing of Graphviz without its paper, and with light lines; what is written in boxes stays as it is.
 * @param {string} source a data: address
 */
function inTheDark(source) {
  const [head, data] = source.split(",");
  if (!head.startsWith("data:image/svg")) return source;
  return `${head},${btoa(atob(data).replace(/(<svg[^>]*>)/, `$1<style>${LIGHT_LINES}</style>`))}`;
}

/**
 * What the form would send, but for files.
 * @param {HTMLFormElement} form
 */
function textsOf(form) {
  const texts = [...new FormData(form)].filter(([, value]) => typeof value === "string");
  return new URLSearchParams(/** @type {[string, string][]} */ (texts));
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
    ["100%", "100%: true size", () => show(1)],
  ];
  const buttons = actions.map(([words, label, act]) => {
    const button = element("button", { type: "button", class: "btn btn-sm btn-outline-secondary", "aria-label": label }, words);
    button.addEventListener("click", act);
    return button;
  });
  image.decode().then(fit, () => undefined); // a picture that cannot be decoded shows its words
  return element("div", { class: "page-tools zoom-tools" }, ...buttons);
}
