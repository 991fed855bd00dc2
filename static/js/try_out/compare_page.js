/** The page of two evaluations side by side: its table of categories sorts. */

import { showMeasures } from "./measures.js";

showMeasures();
