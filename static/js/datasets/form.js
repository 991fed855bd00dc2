/** The form for a new dataset. */

import { takeDroppedArchive, uploadWithProgress } from "../forms/archive_upload.js";
import { need } from "../web/dom.js";
import { focusFirstError, followErrorLinks } from "../forms/errors.js";
import { showFieldsThatApply, unfoldChanged } from "../forms/fields.js";
import { completePaths } from "../forms/path_autocomplete.js";
import { tellOfSplitFolders } from "./split_folders.js";
import { FolderUpload } from "./choosing/folder_upload.js";
import { Preview } from "./choosing/preview.js";
import { browseFolders, previewServerFolder } from "./choosing/server_folder.js";
import { showResizeExample } from "./resize_example.js";

const form = /** @type {HTMLFormElement} */ (need("form[data-new-job]"));
showFieldsThatApply(form);
unfoldChanged(form);
completePaths(form);
showResizeExample(form);
tellOfSplitFolders(form);
const preview = new Preview(form);
browseFolders(form);
previewServerFolder(form, preview);
new FolderUpload(form, preview);
const archive = { field: "archive_file", method: "archive", sent: "Sent; creating the dataset…", place: "../" };
takeDroppedArchive(form, archive);
uploadWithProgress(form, archive);
followErrorLinks(form);
focusFirstError(form);
