/** The page that shows a dataset's pictures: another database or category is shown once chosen. */

import { need } from "../web/dom.js";

const form = /** @type {HTMLFormElement} */ (need("form[data-explore]"));
form.addEventListener("change", () => form.requestSubmit());
