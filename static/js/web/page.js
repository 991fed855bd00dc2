/** What every page does: times in the reader's zone, explanations at the question marks, busy buttons, the way back. */

import { markSentForms } from "./busy.js";
import { all } from "./dom.js";
import { foldLongLists } from "./fold.js";
import { handleHelp } from "./help.js";
import { keepWhatIsTyped } from "../forms/kept_form.js";
import { keepPixelsHonest } from "./pixels.js";
import { keepMomentsUpToDate, writeMoments } from "./times.js";

writeMoments(document);
keepMomentsUpToDate();
handleHelp();
markSentForms();
foldLongLists();
keepPixelsHonest();
// Before the scripts of the form itself, which look at its values.
for (const form of all("form[data-new-job]")) keepWhatIsTyped(/** @type {HTMLFormElement} */ (form));
// From an error to the form that was sent: the browser still has what was typed.
for (const button of all("[data-back]")) {
  button.hidden = history.length < 2;
  button.addEventListener("click", () => history.back());
}
