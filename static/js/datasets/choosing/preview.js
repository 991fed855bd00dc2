/** What a folder would become: categories, counts, some pictures, and what is odd about it.

    The server looks a moment at a time; this asks again until it has seen all. */

import { element, need } from "../../web/dom.js";
import { RequestFailed, messagesOf, request } from "../../web/http.js";
import { valueOf } from "../../forms/fields.js";
import { noPress } from "../../web/pointer.js";

/** @typedef {{path: string, reason: string}} Odd */

const SHOWN_CATEGORIES = 24;

export class Preview {
  /** @param {HTMLFormElement} form */
  constructor(form) {
    this.form = form;
    this.place = need("[data-folder-preview]", form);
    this.words = element("p", { role: "status", class: "preview-words" });
    this.body = element("div");
    this.place.replaceChildren(element("h2", {}, "What it would become"), this.words, this.body);
    /** @type {AbortController | null} */
    this.running = null;
  }

  hide() {
    this.running?.abort();
    this.place.hidden = true;
  }

  /**
   * Look at a folder, and show it as it is seen.
   * @param {string} url
   * @param {Odd[]} [unsent] files that were not even sent
   * @param {number} [unsentCount]
   */
  async show(url, unsent = [], unsentCount = 0) {
    this.running?.abort();
    const stop = (this.running = new AbortController());
    await noPress();
    if (stop.signal.aborted) return;
    this.body.replaceChildren();
    this.words.textContent = "Looking at the folder…";
    this.place.hidden = false;
    const run = Math.random().toString(36).slice(2);
    /** @type {any[]} */
    const samples = [];
    try {
      for (let finished = false; !finished && !stop.signal.aborted; ) {
        const query = new URLSearchParams({ run, samples_from: String(samples.length), split_folders: valueOf(this.form, "split_folders") });
        const address = `${url}${url.includes("?") ? "&" : "?"}${query}`;
        const options = { headers: { Accept: "application/json" }, signal: stop.signal };
        const report = await (await request(address, options)).json();
        await noPress();
        if (stop.signal.aborted) return;
        samples.push(...report.samples);
        report.left_out = [...unsent, ...report.left_out];
        report.left_out_count += unsentCount;
        this.draw(report, samples);
        finished = report.finished;
      }
    } catch (error) {
      if (stop.signal.aborted) return;
      if (!(error instanceof RequestFailed)) throw error;
      // What is wrong with a path is said at its field when the form is sent.
      this.words.textContent = messagesOf(error).join(" ");
    }
  }

  /**
   * @param {any} report
   * @param {any[]} samples
   */
  draw(report, samples) {
    const text = wordsOf(report);
    if (this.words.textContent !== text) this.words.textContent = text;
    this.body.replaceChildren(
      ...(report.problem ? [element("p", { class: "notice notice-danger" }, report.problem)] : []),
      ...report.warnings.map((/** @type {string} */ warning) => element("p", { class: "notice notice-warning" }, warning)),
      ...oddOnes("broken", "Broken: they will be left out", report.broken, report.broken_count),
      ...oddOnes("left-out", "Not taken", report.left_out, report.left_out_count),
      categoriesOf(report, samples),
    );
  }
}

/** @param {any} report */
function wordsOf(report) {
  const sets = new Set(report.categories.map((/** @type {any} */ each) => each.set));
  const labels = new Set(report.categories.map((/** @type {any} */ each) => each.label));
  const categories = sets.size > 1 ? labels.size : report.category_count;
  const parts = [
    `${counted(categories, "category", "categories")}, ${report.is_cut && !report.looked_at ? "more than " : ""}${counted(report.pictures, "picture", "pictures")}`,
  ];
  if (sets.size > 1) parts.push(`split already: ${[...sets].join(", ")}`);
  if (!report.finished) parts.push(report.looked_at ? `${grouped(report.looked_at)} read` : "counting…");
  else if (report.looked_at === report.pictures) parts.push(report.broken_count ? `${grouped(report.broken_count)} broken` : "all can be read");
  else if (report.pictures) parts.push(`${grouped(report.looked_at)} of them were read`);
  return parts.join(" · ");
}

/**
 * @param {string} key
 * @param {string} title
 * @param {Odd[]} odd
 * @param {number} count
 */
function oddOnes(key, title, odd, count) {
  if (!count) return [];
  const rows = odd.map(({ path, reason }) => element("li", {}, element("span", { class: "path" }, path), ` ${reason}`));
  const more = count - odd.length;
  const list = element("ul", { class: "plain-list" }, ...rows);
  const open = document.querySelector(`[data-odd="${key}"]`)?.hasAttribute("open") ? { open: "" } : {};
  const fold = element("details", { "data-odd": key, ...open }, element("summary", {}, `${title}: ${counted(count, "file", "files")}`), list);
  if (more > 0) fold.append(element("p", { class: "muted" }, `and ${grouped(more)} more`));
  return [fold];
}

/**
 * @param {any} report
 * @param {any[]} samples
 */
function categoriesOf(report, samples) {
  const shown = report.categories.slice(0, SHOWN_CATEGORIES);
  const rows = shown.map((/** @type {any} */ { label, set, pictures }, /** @type {number} */ number) =>
    element(
      "div",
      {},
      element("dt", {}, label, element("span", { class: "muted" }, ` ${set ? `${set}, ` : ""}${grouped(pictures)}`)),
      element("dd", {}, ...samples.filter(({ category }) => category === number).map((sample) => picture(sample, label))),
    ),
  );
  const list = element("dl", { class: "samples folder-samples", tabindex: "0", "aria-label": "Categories" }, ...rows);
  const more = report.category_count - shown.length;
  if (more <= 0) return list;
  return element("div", {}, list, element("p", { class: "muted" }, `and ${counted(more, "more category", "more categories")}`));
}

/**
 * @param {{image: string, name: string}} sample
 * @param {string} label
 */
function picture({ image, name }, label) {
  return element("img", { src: image, alt: `${label}: ${name}`, title: name });
}

/**
 * @param {number} count
 * @param {string} one
 * @param {string} many
 */
export function counted(count, one, many) {
  return `${grouped(count)} ${count === 1 ? one : many}`;
}

/** @param {number} number */
export function grouped(number) {
  return number.toLocaleString("en");
}
