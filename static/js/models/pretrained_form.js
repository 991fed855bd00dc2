/** The form for a new pretrained model. */

import { need } from "../web/dom.js";
import { uploadWithProgress } from "../forms/archive_upload.js";
import { focusFirstError, followErrorLinks } from "../forms/errors.js";
import { completePaths } from "../forms/path_autocomplete.js";

const form = /** @type {HTMLFormElement} */ (need("form[data-new-job]"));
completePaths(form);
uploadWithProgress(form, { field: "weights_file", sent: "Sent; checking the weights…", place: "../jobs/" });
followErrorLinks(form);
focusFirstError(form);
