/* Light or dark: as the system prefers, or as chosen by the switch and kept in this browser.
   A plain script that runs before the first paint, so that no page flashes in the other colours. */
"use strict";

(() => {
  const KEY = "digits-theme";
  const CHOICES = ["auto", "light", "dark"];
  const systemIsDark = matchMedia("(prefers-color-scheme: dark)");

  /** @returns {string} */
  function chosen() {
    try {
      const stored = localStorage.getItem(KEY);
      return stored !== null && CHOICES.includes(stored) ? stored : "auto";
    } catch {
      return "auto"; // storage is switched off
    }
  }

  /** @param {string} choice */
  function keep(choice) {
    try {
      localStorage.setItem(KEY, choice);
    } catch {
      // the choice then lasts for this page
    }
  }

  /** @param {string} choice */
  function apply(choice) {
    const dark = choice === "dark" || (choice === "auto" && systemIsDark.matches);
    document.documentElement.dataset.bsTheme = dark ? "dark" : "light";
    for (const icon of document.querySelectorAll("[data-theme-icon]")) {
      icon.toggleAttribute("hidden", icon.getAttribute("data-theme-icon") !== choice);
    }
    document.dispatchEvent(new Event("digits:theme"));
  }

  apply(chosen());
  systemIsDark.addEventListener("change", () => apply(chosen()));
  // Paper is white.
  window.addEventListener("beforeprint", () => apply("light"));
  window.addEventListener("afterprint", () => apply(chosen()));
  document.addEventListener("DOMContentLoaded", () => {
    let choice = chosen();
    apply(choice);
    document.querySelector("[data-theme-switch]")?.addEventListener("click", () => {
      choice = CHOICES[(CHOICES.indexOf(choice) + 1) % CHOICES.length];
      keep(choice);
      apply(choice);
    });
  });
})();
