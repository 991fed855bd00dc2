/** How large a model's snapshots will be and about how long an epoch takes, before it is made.

    The server builds the network to tell, so what is wrong with it stands here, too. */

import { afterQuiet, element, need } from "../web/dom.js";
import { RequestFailed, send } from "../web/http.js";

// Neither changes what is told, and files are not sent for it.
const LEFT_OUT = new Set(["model_name", "group_name"]);
const QUIET_MS = 500;

/** @param {HTMLFormElement} form */
export function showEstimate(form) {
  const place = need("[data-estimate]", form);
  let asked = "";
  /** @type {AbortController | undefined} */
  let asking;
  const update = afterQuiet(async () => {
    const body = valuesOf(form);
    if (body.toString() === asked) return;
    asked = body.toString();
    asking?.abort();
    asking = new AbortController();
    await tell(place, body, asking.signal);
  }, QUIET_MS);
  form.addEventListener("change", update);
  update();
}

/**
 * First what is known at once, then the time, which is measured.
 * @param {HTMLElement} place
 * @param {URLSearchParams} body
 * @param {AbortSignal} signal
 */
async function tell(place, body, signal) {
  const url = place.dataset.estimate ?? "";
  place.setAttribute("aria-busy", "true");
  // What was told of another network must not stand there meanwhile.
  place.replaceChildren(element("p", { class: "muted" }, "Checking the network…"));
  try {
    body.set("timed", "off");
    const known = await ask(url, body, signal);
    show(place, known);
    if (known.training_s !== null || known.snapshots === null) return;
    place.append(element("p", { class: "muted" }, "Timing a few iterations…"));
    body.set("timed", "on");
    show(place, await ask(url, body, signal));
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") return; // asked anew
    if (!(error instanceof RequestFailed)) throw error;
    place.replaceChildren(); // it is a help, not a need
  } finally {
    if (!signal.aborted) place.removeAttribute("aria-busy");
  }
}

/**
 * @param {string} url
 * @param {URLSearchParams} body
 * @param {AbortSignal} signal
 */
async function ask(url, body, signal) {
  return (await send(url, body, "POST", signal)).json();
}

/**
 * @param {HTMLElement} place
 * @param {{words?: string[], warnings?: string[], errors?: Record<string, string[]>}} told
 */
function show(place, { words = [], warnings = [], errors = {} }) {
  const wrong = Object.entries(errors).flatMap(([name, texts]) => texts.map((text) => titleOf(name) + text));
  const parts = words.map((text) => element("p", {}, text));
  if (warnings.length) parts.push(...warnings.map((text) => element("p", { class: "fit-note" }, text)));
  if (wrong.length) {
    parts.push(
      element("p", { class: "fit-note" }, "This model cannot be created:"),
      element("ul", { class: "fit-note" }, ...wrong.map((text) => element("li", {}, text))),
    );
  }
  place.replaceChildren(...parts);
}

/**
 * What a field is called, to stand before a message; nothing for lists of networks, whose messages name them.
 * @param {string} name
 */
function titleOf(name) {
  const label = document.querySelector(`label[for="${CSS.escape(name)}"]`)?.textContent?.trim();
  return label ? `${label}: ` : "";
}

/** @param {HTMLFormElement} form */
function valuesOf(form) {
  const values = [...new FormData(form)].filter(([name, value]) => typeof value === "string" && !LEFT_OUT.has(name));
  return new URLSearchParams(/** @type {[string, string][]} */ (values));
}
