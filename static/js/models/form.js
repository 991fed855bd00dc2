/** The form for a new model. */

import { need } from "../web/dom.js";
import { focusFirstError, followErrorLinks } from "../forms/errors.js";
import { showFieldsThatApply, unfoldChanged } from "../forms/fields.js";
import { watchGraphs } from "../graphs/graphs.js";
import { showDatasetSummary } from "../datasets/summary.js";
import { showAugmentation } from "./augment.js";
import { showEstimate } from "./estimate.js";
import { markWhatDoesNotFit } from "./fit.js";
import { showLearningRate } from "./lr_preview.js";
import { followPretrained } from "./pretrained.js";
import { editNetworks } from "./network_editor.js";
import { nameSnapshots } from "./previous_snapshots.js";
import { completePaths } from "../forms/path_autocomplete.js";

const form = /** @type {HTMLFormElement} */ (need("form[data-new-job]"));
showFieldsThatApply(form);
unfoldChanged(form);
completePaths(form);
watchGraphs();
showLearningRate(form);
showDatasetSummary(form);
showAugmentation(form);
followPretrained(form);
markWhatDoesNotFit(form);
editNetworks(form);
showEstimate(form);
followErrorLinks(form);
nameSnapshots(form);
focusFirstError(form);
