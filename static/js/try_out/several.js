/** Several pictures, classified as they are uploaded: a list that grows, and that can be kept as an evaluation. */

import { all, element, need } from "../web/dom.js";
import { RequestFailed, messagesOf, send } from "../web/http.js";
import { withErrorsShown } from "../web/toasts.js";
import { resultOf } from "./result.js";

/** @typedef {import("./pictures_taken.js").Taken} Taken */
/** @typedef {{name: string, label: number | null, category: string | null, predictions: [string, number | null][],
    classes: number[], thumbnail: string, error: string | null}} Answer */

// A request has so many pictures at most: the list moves every second or so.
const PICTURES_AT_ONCE = 16;
const BYTES_AT_ONCE = 8 << 20;
// The server holds what it classifies in memory.
const LARGEST_BYTES = 250 << 20;
// A longer table helps nobody; the evaluation has all of them.
const MOST_ROWS = 200;

/** @type {AbortController | null} of the list that grows now */
let running = null;

/**
 * Classify pictures and show them in `place`.
 * @param {HTMLFormElement} form
 * @param {HTMLElement} place
 * @param {Taken[]} pictures
 */
export async function classifySeveral(form, place, pictures) {
  running?.abort();
  const stop = (running = new AbortController());
  const list = new List(form, pictures, () => stop.abort());
  place.replaceChildren(list.part);
  place.scrollIntoView({ block: "nearest" });
  try {
    for (const batch of batches(pictures)) await list.add(batch, stop.signal);
  } catch (error) {
    if (!stop.signal.aborted) throw error;
  } finally {
    list.end();
    if (running === stop) running = null;
  }
}

/**
 * @param {Taken[]} pictures
 * @returns {Generator<Taken[]>} each of some pictures that are sent together
 */
function* batches(pictures) {
  /** @type {Taken[]} */
  let batch = [];
  let bytes = 0;
  for (const picture of pictures) {
    const isFull = batch.length >= PICTURES_AT_ONCE || bytes + picture.file.size > BYTES_AT_ONCE;
    if (batch.length && isFull) {
      yield batch;
      [batch, bytes] = [[], 0];
    }
    batch.push(picture);
    bytes += picture.file.size;
  }
  if (batch.length) yield batch;
}

class List {
  /**
   * @param {HTMLFormElement} form
   * @param {Taken[]} pictures
   * @param {() => void} stop
   */
  constructor(form, pictures, stop) {
    this.form = form;
    this.pictures = pictures;
    this.epoch = /** @type {HTMLSelectElement} */ (need("[name='snapshot_epoch']", form)).value;
    /** @type {string[]} what is sent to be kept, an answer a line */
    this.lines = [];
    this.done = this.kept = this.labelled = this.right = this.unreadable = 0;
    this.words = element("p", { class: "several-words", role: "status" });
    this.bar = element("progress", { class: "progress-line", max: String(pictures.length), value: "0" });
    this.bar.setAttribute("aria-label", "Classified");
    this.stopButton = button("Stop", "btn-outline-secondary", stop);
    this.rows = element("ol", { class: "several-rows", tabindex: "0", role: "list", "aria-label": "Classified pictures" });
    this.more = element("p", { class: "muted", hidden: "" });
    this.detail = element("div", { class: "several-detail", "data-several-one": "", "aria-live": "polite" });
    this.tools = element("div", { class: "several-tools" }, this.stopButton);
    this.part = this.layout();
    this.tell();
  }

  layout() {
    return element(
      "section",
      { class: "several", "data-several": "", "aria-label": "Several pictures" },
      element("div", { class: "several-head" }, this.words, this.tools),
      this.bar,
      this.rows,
      this.more,
      this.detail,
    );
  }

  /**
   * Send some pictures, and show what they are.
   * @param {Taken[]} batch
   * @param {AbortSignal} signal
   */
  async add(batch, signal) {
    const [fit, large] = [batch.filter(isFit), batch.filter((picture) => !isFit(picture))];
    for (const picture of large) this.show(picture, tooLarge(picture));
    if (fit.length) {
      const answers = await this.ask(fit, signal);
      fit.forEach((picture, place) => this.show(picture, answers[place]));
      const kept = answers.filter((_, place) => fit[place].kept);
      if (kept.length) this.lines.push(`${JSON.stringify({ pictures: kept })}\n`);
      this.kept += kept.length;
    }
    this.tell();
  }

  /**
   * @param {Taken[]} batch
   * @param {AbortSignal} signal
   * @returns {Promise<Answer[]>}
   */
  async ask(batch, signal) {
    const body = new FormData();
    body.set("snapshot_epoch", this.epoch);
    body.set("image_names", JSON.stringify(batch.map(({ name }) => name)));
    for (const { file } of batch) body.append("image_file", file, "picture");
    const answer = await send(this.form.dataset.severalUrl ?? "", body, "POST", signal);
    const { pictures, unit } = await answer.json();
    this.isScore = unit === "score";
    return pictures;
  }

  /**
   * @param {Taken} picture
   * @param {Answer} answer
   */
  show(picture, answer) {
    this.done += 1;
    this.unreadable += answer.error === null ? 0 : 1;
    const isRight = answer.label === answer.classes[0];
    if (answer.label !== null && answer.error === null) {
      this.labelled += 1;
      this.right += isRight ? 1 : 0;
    }
    if (this.rows.children.length < MOST_ROWS) this.rows.append(this.row(picture, answer, isRight));
  }

  /**
   * @param {Taken} picture
   * @param {Answer} answer
   * @param {boolean} isRight
   */
  row(picture, answer, isRight) {
    const name = button(picture.name, "btn-link several-name", () => this.look(picture, name));
    name.setAttribute("aria-label", `${picture.name}: show more`);
    const source = answer.thumbnail && `data:image/jpeg;base64,${answer.thumbnail}`;
    const small = source
      ? element("img", { class: "thumbnail", src: source, alt: "", width: "48", height: "48" })
      : element("span", { class: "thumbnail" });
    const words = element("div", {}, name, element("p", {}, ...this.said(answer, isRight)));
    return element("li", {}, small, words);
  }

  /**
   * @param {Answer} answer
   * @param {boolean} isRight
   * @returns {HTMLElement[]}
   */
  said(answer, isRight) {
    if (answer.error !== null) return [element("span", { class: "outcome-unreadable" }, answer.error)];
    const outcome = answer.label === null ? "none" : isRight ? "right" : "wrong";
    const [label, value] = answer.predictions[0];
    const said = [element("b", { class: `outcome-${outcome}` }, label), element("span", {}, this.shownValue(value))];
    if (outcome === "wrong") said.push(element("span", { class: "muted" }, `in the folder of “${answer.category}”`));
    return said;
  }

  /** @param {number | null} value null: the network answered what is no number */
  shownValue(value) {
    if (value === null) return "not a number";
    return this.isScore ? String(value) : `${value.toFixed(2)}%`;
  }

  /** Say how far it is, and how often the network was right. */
  tell() {
    const count = (/** @type {number} */ number) => number.toLocaleString("en");
    const parts = [`${count(this.done)} of ${count(this.pictures.length)} classified`];
    if (this.labelled) {
      const share = ((100 * this.right) / this.labelled).toFixed(2);
      parts.push(`${count(this.right)} of ${count(this.labelled)} right (${share}%)`);
    }
    if (this.unreadable) parts.push(`${count(this.unreadable)} could not be read`);
    this.words.textContent = parts.join(" · ");
    /** @type {HTMLProgressElement} */ (this.bar).value = this.done;
    const hidden = this.done - this.rows.children.length;
    this.more.hidden = hidden < 1;
    this.more.textContent = `${count(hidden)} more are not listed here; an evaluation has all of them.`;
  }

  /** All have been classified, or no more are. */
  end() {
    this.stopButton.remove();
    this.bar.remove();
    const url = this.form.dataset.keepUrl;
    const left = this.done - this.kept;
    if (!url || !this.kept) return;
    const keep = button("Keep as an evaluation", "btn-primary", () => withErrorsShown(() => this.keep(url), keep));
    this.tools.append(keep);
    const words = "An evaluation has the accuracy, the confusion matrix and small pictures; the files are not kept.";
    const rest = left ? ` ${left.toLocaleString("en")} that were pasted or are too large are left out.` : "";
    this.detail.before(element("p", { class: "field-note" }, words + rest));
  }

  /** @param {string} url */
  async keep(url) {
    const body = new FormData();
    body.set("snapshot_epoch", this.epoch);
    body.set("answers", new Blob(this.lines, { type: "application/jsonl" }), "answers.jsonl");
    body.set("source_name", sourceName(this.pictures));
    const { id } = await (await send(url, body)).json();
    location.assign(`${document.body.dataset.root ?? ""}/jobs/${id}`);
  }

  /**
   * Show one of the pictures in full.
   * @param {Taken} picture
   * @param {HTMLElement} pressed
   */
  look(picture, pressed) {
    for (const other of all("[aria-pressed]", this.rows)) other.removeAttribute("aria-pressed");
    pressed.setAttribute("aria-pressed", "true");
    return withErrorsShown(async () => {
      const values = new FormData();
      values.set("snapshot_epoch", this.epoch);
      values.set("image_file", picture.file, picture.file.name || "picture");
      try {
        this.detail.replaceChildren(await resultOf(this.form, values));
      } catch (error) {
        if (!(error instanceof RequestFailed) || error.code !== 400) throw error;
        this.detail.replaceChildren(element("p", { class: "field-error", role: "alert" }, messagesOf(error).join(" ")));
      }
      this.detail.scrollIntoView({ block: "nearest" });
    });
  }
}

/** @param {Taken} picture */
function isFit({ file }) {
  return file.size <= LARGEST_BYTES;
}

/**
 * @param {Taken} picture
 * @returns {Answer}
 */
function tooLarge({ name }) {
  const error = "The file is larger than 250 MB.";
  return { name, label: null, category: null, predictions: [], classes: [], thumbnail: "", error };
}

/**
 * What the pictures are called together: their folder, where they have one.
 * @param {Taken[]} pictures
 */
function sourceName(pictures) {
  const tops = new Set(pictures.map(({ name }) => (name.includes("/") ? name.split("/")[0] : "")));
  const [top] = tops;
  return tops.size === 1 && top ? `Folder ${top}` : "Pictures from a browser";
}

/**
 * @param {string} words
 * @param {string} kind
 * @param {() => void} pressed
 */
function button(words, kind, pressed) {
  const made = element("button", { class: `btn btn-sm ${kind}`, type: "button" }, words);
  made.addEventListener("click", pressed);
  return /** @type {HTMLButtonElement} */ (made);
}
