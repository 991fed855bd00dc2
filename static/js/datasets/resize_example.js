/** The dataset form's example: what a picture looks like after the chosen resizing. */

import { afterQuiet, need } from "../web/dom.js";
import { valuesOf } from "../forms/fields.js";
import { RequestFailed, request } from "../web/http.js";

const FIELDS = {
  width: "resize_width",
  height: "resize_height",
  channels: "resize_channels",
  resize_mode: "resize_mode",
  encoding: "encoding",
};

/** @param {HTMLFormElement} form */
export function showResizeExample(form) {
  const place = need("[data-resize-example]", form);
  let asked = "";
  const update = afterQuiet(async () => {
    const body = valuesOf(form, FIELDS);
    if (body.toString() === asked) return;
    asked = body.toString();
    try {
      const answer = await request(place.dataset.resizeExample ?? "", { method: "POST", body });
      place.innerHTML = await answer.text(); // the server's own fragment
    } catch (error) {
      if (!(error instanceof RequestFailed)) throw error;
      place.textContent = error.message;
    }
  }, 250);
  form.addEventListener("input", update);
  form.addEventListener("change", update);
  update();
}
