/** Buttons that copy the lines beside them. */

import { all } from "../web/dom.js";

const SAID_MS = 2000;

/** Listen for the buttons with `data-copy`, the id of what they copy. */
export function copyLines() {
  for (const button of all("[data-copy]")) {
    button.addEventListener("click", async () => {
      const lines = document.getElementById(button.dataset.copy ?? "");
      const words = button.querySelector("[data-copy-words]");
      if (!lines || !words) return;
      words.textContent = (await copied(lines)) ? "Copied" : "Press Ctrl+C";
      setTimeout(() => (words.textContent = "Copy"), SAID_MS);
    });
  }
}

/**
 * Copy an element's text; where the browser does not allow that, it stays selected for the reader.
 * @param {HTMLElement} lines
 * @returns {Promise<boolean>} whether it is in the clipboard
 */
async function copied(lines) {
  try {
    await navigator.clipboard.writeText(lines.textContent ?? "");
    return true;
  } catch {
    // Without https there is no clipboard, and with it one that may be forbidden.
    window.getSelection()?.selectAllChildren(lines);
    return document.execCommand("copy");
  }
}
