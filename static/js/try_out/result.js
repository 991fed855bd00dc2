/** What the network says of one picture, as a part of a page that shows it. */

import { need } from "../web/dom.js";
import { request } from "../web/http.js";
import { explainOnDemand } from "./explain.js";

let count = 0;

/**
 * Ask for a picture; the answer is a part of the page that the server would show.
 * @param {HTMLFormElement} form whose address is asked
 * @param {FormData} values
 * @returns {Promise<HTMLElement>}
 */
export async function resultOf(form, values) {
  const answer = await request(form.action, { method: "POST", body: values });
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const shown = need("[data-classification]", page);
  count += 1;
  // Several results may stand on a page.
  for (const part of shown.querySelectorAll("[id]")) part.id += `-${count}`;
  for (const label of shown.querySelectorAll("label")) label.htmlFor += `-${count}`;
  explainOnDemand(shown);
  return shown;
}
