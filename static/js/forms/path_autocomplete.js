/** Server paths completed while typing: a combobox with the keys that such lists have. */

import { afterQuiet, all, element } from "../web/dom.js";
import { RequestFailed, request } from "../web/http.js";
import { afterPress } from "../web/pointer.js";

/** @param {ParentNode} root */
export function completePaths(root) {
  for (const input of all("input[data-path-field]", root)) {
    new PathField(/** @type {HTMLInputElement} */ (input));
  }
}

class PathField {
  /** @param {HTMLInputElement} input */
  constructor(input) {
    this.input = input;
    this.list = element("ul", { class: "suggestions", role: "listbox", id: `${input.id}-paths` });
    this.list.hidden = true;
    this.list.tabIndex = -1; // a list that scrolls would take the focus on its way and hide with it
    this.list.setAttribute("aria-label", "Paths on the server");
    this.selected = -1;
    input.after(this.list);
    input.setAttribute("role", "combobox");
    input.setAttribute("aria-autocomplete", "list");
    input.setAttribute("aria-controls", this.list.id);
    input.setAttribute("aria-expanded", "false");
    input.addEventListener("input", afterQuiet(() => this.suggest(), 120));
    input.addEventListener("keydown", (event) => this.key(event));
    // Off only while typing: a field that is off when the page is left is empty on the way back.
    input.addEventListener("focus", () => input.setAttribute("autocomplete", "off"));
    input.addEventListener("blur", () => {
      input.removeAttribute("autocomplete");
      afterPress(() => this.close());
    });
    // Not on click: that comes after the blur that closes the list.
    this.list.addEventListener("pointerdown", (event) => {
      event.preventDefault();
      if (event.target instanceof HTMLElement && event.target.role === "option") {
        this.take(event.target.textContent ?? "");
      }
    });
  }

  async suggest() {
    const query = this.input.value;
    // An address is no path of the server.
    if (!query || /^https?:/.test(query)) return this.close();
    try {
      const url = `${this.input.dataset.pathField}?query=${encodeURIComponent(query)}`;
      const paths = await (await request(url)).json();
      const current = this.input.value === query && document.activeElement === this.input;
      if (current) this.open(paths.filter((/** @type {string} */ path) => path !== query));
    } catch (error) {
      // Suggestions are a help, not a need: the field works without them.
      if (!(error instanceof RequestFailed)) throw error;
      this.close();
    }
  }

  /** @param {string[]} paths */
  open(paths) {
    this.selected = -1;
    this.input.removeAttribute("aria-activedescendant");
    const options = paths.map((path, index) =>
      element("li", { role: "option", id: `${this.list.id}-${index}`, "aria-selected": "false" }, path),
    );
    this.list.replaceChildren(...options);
    this.list.hidden = paths.length === 0;
    this.input.setAttribute("aria-expanded", String(paths.length > 0));
  }

  close() {
    this.open([]);
  }

  /** @param {string} path */
  take(path) {
    this.input.value = path;
    this.input.dispatchEvent(new Event("change", { bubbles: true }));
    this.suggest(); // a folder was completed: what is in it?
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    if (this.list.hidden) return;
    if (event.key === "ArrowDown") this.select(this.selected + 1);
    else if (event.key === "ArrowUp") this.select(this.selected - 1);
    else if (event.key === "Escape") this.close();
    else if (event.key === "Enter" && this.selected >= 0) this.take(this.list.children[this.selected].textContent ?? "");
    else return;
    event.preventDefault();
  }

  /** @param {number} index */
  select(index) {
    const options = [...this.list.children];
    this.selected = (index + options.length) % options.length;
    options.forEach((option, place) => option.setAttribute("aria-selected", String(place === this.selected)));
    options[this.selected].scrollIntoView({ block: "nearest" });
    this.input.setAttribute("aria-activedescendant", options[this.selected].id);
  }
}
