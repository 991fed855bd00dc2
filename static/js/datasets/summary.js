/** The model form's summary of the chosen dataset. */

import { need } from "../web/dom.js";
import { valueOf } from "../forms/fields.js";
import { RequestFailed, request } from "../web/http.js";
import { writeMoments } from "../web/times.js";

/** @param {HTMLFormElement} form */
export function showDatasetSummary(form) {
  const place = need("[data-dataset-summary]", form);
  let shown = "";
  const update = async () => {
    const dataset = valueOf(form, "dataset");
    if (dataset === shown || dataset === "") return;
    shown = dataset;
    try {
      const url = `${place.dataset.datasetSummary}?words=plain&job_id=${encodeURIComponent(dataset)}`;
      place.innerHTML = await (await request(url)).text(); // the server's own fragment
      writeMoments(place);
    } catch (error) {
      if (!(error instanceof RequestFailed)) throw error;
      place.textContent = error.message;
    }
  };
  form.addEventListener("change", update);
  update();
}
