/** A job's notes: shown as the server renders them, edited in place, with a preview. */

import { all, need } from "../web/dom.js";
import { request, send } from "../web/http.js";
import { refresh } from "../web/refresh.js";
import { withErrorsShown } from "../web/toasts.js";

/** Let the notes be edited; nothing happens on pages without them. */
export function handleNotes() {
  const panel = document.querySelector("[data-notes-panel]");
  if (panel instanceof HTMLElement) new Notes(panel);
}

class Notes {
  /** @param {HTMLElement} panel */
  constructor(panel) {
    this.panel = panel;
    this.form = /** @type {HTMLFormElement} */ (need("[data-notes-form]", panel));
    this.area = /** @type {HTMLTextAreaElement} */ (need("textarea", this.form));
    this.preview = need("[data-notes-preview]", this.form);
    this.tryButton = need("[data-notes-try]", this.form);
    this.before = ""; // what the notes were when the editing began
    for (const button of all("[data-notes-edit]")) button.addEventListener("click", () => this.edit());
    need("[data-notes-cancel]", this.form).addEventListener("click", () => this.close());
    this.tryButton.addEventListener("click", () => withErrorsShown(() => this.togglePreview()));
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      withErrorsShown(() => this.save());
    });
    this.form.addEventListener("keydown", (event) => {
      if (event.key === "Escape" && !this.isChanged) this.close();
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) this.form.requestSubmit();
    });
    document.addEventListener("digits:refreshed", () => this.showWhatIsThere());
    // What was typed is not lost by leaving the page.
    window.addEventListener("beforeunload", (event) => this.isChanged && event.preventDefault());
  }

  /** What the server has. */
  get text() {
    return need("[data-notes-shown]", this.panel).dataset.notesText ?? "";
  }

  get isChanged() {
    return !this.form.hidden && this.area.value !== this.before;
  }

  edit() {
    if (this.form.hidden) this.area.value = this.before = this.text;
    this.form.hidden = false;
    this.showWhatIsThere();
    this.area.focus();
  }

  close() {
    this.form.hidden = true;
    this.showEditor(true);
    this.showWhatIsThere();
    all("[data-notes-edit]").find((button) => button.offsetParent !== null)?.focus();
  }

  async save() {
    const values = new URLSearchParams({ job_notes: this.area.value, job_notes_were: this.before });
    await send(this.form.action, values, "PUT");
    this.before = this.area.value;
    await refresh();
    this.close();
  }

  async togglePreview() {
    if (this.preview.hidden) {
      const body = new URLSearchParams({ job_notes: this.area.value });
      const answer = await request(this.form.dataset.preview ?? "", { method: "POST", body });
      this.preview.innerHTML = await answer.text(); // the server's own, safe rendering
    }
    this.showEditor(!this.preview.hidden);
  }

  /** @param {boolean} shown whether to show what is typed, not how it will look */
  showEditor(shown) {
    this.area.hidden = !shown;
    this.preview.hidden = shown;
    this.tryButton.setAttribute("aria-pressed", String(!shown));
    this.tryButton.textContent = shown ? "Preview" : "Keep writing";
  }

  /** The panel is there when there is something to show or to write. */
  showWhatIsThere() {
    const editing = !this.form.hidden;
    const empty = this.text === "";
    this.panel.hidden = empty && !editing;
    need("[data-notes-shown]", this.panel).hidden = editing;
    for (const button of all("[data-notes-edit]")) {
      button.hidden = editing || (button.dataset.notesAdd !== undefined && !empty);
    }
  }
}
