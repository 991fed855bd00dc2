/** The form for the archive of a model. */

import { need } from "../web/dom.js";
import { takeDroppedArchive, uploadWithProgress } from "../forms/archive_upload.js";
import { focusFirstError } from "../forms/errors.js";
import { suggestName } from "./archive_name.js";

const form = /** @type {HTMLFormElement} */ (need("form[data-new-job]"));
const archive = { field: "archive", sent: "Sent; checking the model…", place: "../jobs/" };
takeDroppedArchive(form, archive);
uploadWithProgress(form, archive);
suggestName(form);
focusFirstError(form);
