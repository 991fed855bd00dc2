/** The page of one classified picture, with the network's layers where they were asked for. */

import { need } from "../web/dom.js";
import { explainOnDemand } from "./explain.js";
import { watchLayers } from "./layer_pictures.js";

const shown = need("[data-classification]");
watchLayers(shown);
explainOnDemand(shown);
