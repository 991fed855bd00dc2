/** A window on a log of any size: lines are fetched as they come into view, and searched by the server. */

import { all, element, need } from "../web/dom.js";
import { RequestFailed, request } from "../web/http.js";
import { toast, withErrorsShown } from "../web/toasts.js";

/**
 * @typedef {{size: number, start: number, end: number, growing: boolean, lines: [number, string][]}} Part
 * @typedef {{found: number | null, looked_to: number, over: boolean, size: number}} Found
 */

const MOST_LINES = 3000; // on the page; others are fetched again when they come into view
const NEAR_PX = 300;
const POLL_MS = 1000;
const FAR_BEHIND_BYTES = 1_000_000;
const LINES_ABOVE = 8;
const FAILURE = /^[EF]\d{4} |\b(error|exception|traceback|fatal|check failed|segmentation fault|killed|out of memory)/i;

export class LogViewer {
  /** @param {HTMLElement} panel */
  constructor(panel) {
    this.panel = panel;
    this.url = panel.dataset.log ?? "";
    this.box = need("[data-log-lines]", panel);
    this.note = need("[data-log-note]", panel);
    this.place = need("[data-log-place]", panel);
    this.follow = /** @type {HTMLInputElement} */ (need("[data-log-follow]", panel));
    this.input = /** @type {HTMLInputElement} */ (need("[data-log-search] input", panel));
    this.start = this.end = this.size = 0;
    this.growing = false;
    /** @type {HTMLElement | null} the line that was found last */
    this.found = null;
    this.busy = false;
    /** @type {AbortController | null} the search under way */
    this.searching = null;
    this.box.addEventListener("scroll", () => withErrorsShown(() => this.fill()));
    this.box.addEventListener("wheel", (event) => event.deltaY < 0 && this.stopFollowing(), { passive: true });
    this.box.addEventListener("touchmove", () => this.stopFollowing(), { passive: true });
    this.box.addEventListener("keydown", (event) => this.key(event));
    this.follow.addEventListener("change", () => this.follow.checked && withErrorsShown(() => this.toEnd()));
    need("[data-log-search]", panel).addEventListener("submit", (event) => {
      event.preventDefault();
      this.act("next");
    });
    this.input.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || !event.shiftKey) return;
      event.preventDefault();
      this.act("previous");
    });
    for (const button of all("[data-log-do]", panel)) {
      button.addEventListener("click", () => this.act(button.dataset.logDo ?? ""));
    }
    setInterval(() => this.growing && !document.hidden && this.lookForMore(), POLL_MS);
  }

  /** @param {boolean} atError whether to begin at the last error instead of the end */
  async begin(atError) {
    await withErrorsShown(() => this.toEnd());
    this.follow.checked = this.growing && !atError;
    if (atError) this.act("previous-error");
  }

  /** @param {string} action a button's or a key's */
  act(action) {
    const words = { search: this.input.value };
    /** @type {Record<string, () => Promise<void>>} */
    const actions = {
      top: () => this.open({ from: "0" }, "top"),
      bottom: () => this.toEnd(),
      next: () => this.find(words, true),
      previous: () => this.find(words, false),
      "next-error": () => this.find({ errors: "1" }, true),
      "previous-error": () => this.find({ errors: "1" }, false),
    };
    if (action !== "bottom") this.stopFollowing();
    withErrorsShown(actions[action]);
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    /** @type {Record<string, () => void>} */
    const keys = {
      "/": () => this.input.select(),
      n: () => this.act("next"),
      N: () => this.act("previous"),
      e: () => this.act("next-error"),
      E: () => this.act("previous-error"),
      g: () => this.act("top"),
      Home: () => this.act("top"),
      G: () => this.act("bottom"),
      End: () => this.act("bottom"),
      f: () => this.follow.click(),
    };
    if (["ArrowUp", "PageUp"].includes(event.key)) this.stopFollowing();
    if (!(event.key in keys)) return;
    event.preventDefault();
    keys[event.key]();
  }

  stopFollowing() {
    this.follow.checked = false;
  }

  /** Fetch what the task has written meanwhile; without following, only learn how much that is. */
  async lookForMore() {
    if (this.busy) return;
    try {
      if (this.follow.checked) await this.catchUp();
      else this.learn(await this.fetch({ from: String(this.size), lines: "1" }));
    } catch (error) {
      // The connection's sign says so already; the next look may come through.
      if (!(error instanceof RequestFailed)) throw error;
    }
  }

  async catchUp() {
    for (let more = true; more; ) {
      if (this.size - this.end > FAR_BEHIND_BYTES) return this.toEnd(); // nobody reads that fast
      const part = await this.guarded(() => this.fetch({ from: String(this.end), lines: "1000" }));
      if (!part) return;
      if (part.size < this.end) return this.toEnd(); // begun anew by another attempt
      this.append(part);
      more = part.lines.length > 0 && part.end < part.size;
      if (part.lines.length > 0) this.box.scrollTop = this.box.scrollHeight;
    }
  }

  toEnd() {
    return this.open({}, "bottom");
  }

  /**
   * Show another place of the log.
   * @param {Record<string, string>} query
   * @param {"top" | "bottom"} edge
   */
  async open(query, edge) {
    const part = await this.fetch(query);
    this.box.replaceChildren(...part.lines.map(lineElement));
    this.found = null;
    this.start = part.start;
    this.end = part.end;
    this.learn(part);
    if (part.size === 0) this.note.textContent = part.growing ? "Nothing has been written yet." : "There is no log.";
    this.box.scrollTop = edge === "top" ? 0 : this.box.scrollHeight;
  }

  /** Fetch lines above and below, where the reader comes near the end of those that are there. */
  async fill() {
    this.showPlace();
    if (this.box.scrollTop < NEAR_PX && this.start > 0) {
      const part = await this.guarded(() => this.fetch({ before: String(this.start) }));
      if (part && part.end === this.start) this.prepend(part);
    }
    const below = this.box.scrollHeight - this.box.clientHeight - this.box.scrollTop;
    if (below < NEAR_PX && this.end < this.size) {
      const part = await this.guarded(() => this.fetch({ from: String(this.end) }));
      if (part && part.start === this.end) this.append(part);
    }
  }

  /**
   * One request for lines at a time, so that none comes twice.
   * @param {() => Promise<Part>} work
   */
  async guarded(work) {
    if (this.busy) return null;
    this.busy = true;
    try {
      return await work();
    } finally {
      this.busy = false;
    }
  }

  /** @param {Part} part */
  append(part) {
    if (part.start !== this.end) return; // the reader has gone elsewhere meanwhile
    this.box.append(...part.lines.map(lineElement));
    this.end = part.end;
    this.learn(part);
    const height = this.box.scrollHeight;
    while (this.box.childElementCount > MOST_LINES) this.box.firstElementChild?.remove();
    this.start = placeOf(this.box.firstElementChild) ?? this.start;
    this.box.scrollTop -= height - this.box.scrollHeight;
  }

  /** @param {Part} part */
  prepend(part) {
    const height = this.box.scrollHeight;
    this.box.prepend(...part.lines.map(lineElement));
    this.box.scrollTop += this.box.scrollHeight - height;
    this.start = part.start;
    while (this.box.childElementCount > MOST_LINES) {
      this.end = placeOf(this.box.lastElementChild) ?? this.end;
      this.box.lastElementChild?.remove();
    }
  }

  /**
   * Go to the next or previous line that matches, beginning again at the other end once.
   * @param {Record<string, string>} what `search` or `errors`
   * @param {boolean} forward
   */
  async find(what, forward) {
    if (what.search === "") return this.input.focus();
    this.searching?.abort();
    const search = (this.searching = new AbortController());
    try {
      let at = await this.look(what, forward, this.startOfSearch(forward), search.signal);
      this.note.textContent = "";
      if (at === null) {
        at = await this.look(what, forward, forward ? 0 : this.size, search.signal);
        this.note.textContent = forward ? "Continued from the beginning." : "Continued from the end.";
      }
      if (at === null) this.note.textContent = what.search ? `“${what.search}” is not in the log.` : "No errors in the log.";
      else await this.show(at, what.search ?? "");
    } catch (error) {
      if (!(error instanceof DOMException)) throw error; // another search has begun
    }
  }

  /** @param {boolean} forward */
  startOfSearch(forward) {
    if (this.found?.isConnected) {
      return forward ? (placeOf(this.found.nextElementSibling) ?? this.end) : (placeOf(this.found) ?? 0);
    }
    if (!forward) return this.size;
    const top = this.box.getBoundingClientRect().top;
    const visible = [...this.box.children].find((line) => line.getBoundingClientRect().bottom > top);
    return placeOf(visible) ?? this.start;
  }

  /**
   * @param {Record<string, string>} what
   * @param {boolean} forward
   * @param {number} from
   * @param {AbortSignal} signal
   * @returns {Promise<number | null>}
   */
  async look(what, forward, from, signal) {
    for (let place = from; ; ) {
      const query = new URLSearchParams({ ...what, [forward ? "from" : "before"]: String(place) });
      const answer = await request(`${this.url}?${query}`, { signal, headers: { Accept: "application/json" } });
      /** @type {Found} */
      const { found, looked_to, over } = await answer.json();
      if (found !== null || over) return found;
      place = looked_to;
      this.note.textContent = `Searching… ${megabytes(place)}`;
    }
  }

  /**
   * Bring a line into view and mark it.
   * @param {number} at
   * @param {string} words
   */
  async show(at, words) {
    this.found?.classList.remove("log-found");
    if (!this.lineAt(at)) {
      await this.open({ from: String(at) }, "top");
      const above = await this.fetch({ before: String(this.start), lines: String(4 * LINES_ABOVE) });
      if (above.end === this.start) this.prepend(above);
    }
    const line = this.lineAt(at);
    if (!line) return toast("The log has changed. Search again.");
    line.classList.add("log-found");
    markWords(line, words);
    this.found = line;
    this.box.scrollTop = line.offsetTop - this.box.offsetTop - LINES_ABOVE * line.offsetHeight;
  }

  /**
   * @param {number} at
   * @returns {HTMLElement | null}
   */
  lineAt(at) {
    return this.box.querySelector(`[data-at="${at}"]`);
  }

  /** @param {Record<string, string>} query */
  async fetch(query) {
    const url = `${this.url}?${new URLSearchParams(query)}`;
    const answer = await request(url, { headers: { Accept: "application/json" } });
    return /** @type {Part} */ (await answer.json());
  }

  /** @param {Part} part */
  learn(part) {
    this.size = part.size;
    this.growing = part.growing;
    if (part.size > 0 && this.note.textContent?.startsWith("Nothing has")) this.note.textContent = "";
    this.showPlace();
  }

  showPlace() {
    const ratio = this.box.scrollTop / Math.max(1, this.box.scrollHeight - this.box.clientHeight);
    const place = this.start + ratio * (this.end - this.start);
    this.place.textContent = this.size ? `${megabytes(place)} of ${megabytes(this.size)}` : "";
  }
}

/** @param {[number, string]} line */
function lineElement([at, text]) {
  const kinds = ["log-line"];
  if (FAILURE.test(text)) kinds.push("log-failure");
  if (text.startsWith("=== Attempt ")) kinds.push("log-attempt");
  return element("div", { class: kinds.join(" "), "data-at": String(at) }, text);
}

/** @param {Element | null | undefined} line */
function placeOf(line) {
  return line instanceof HTMLElement ? Number(line.dataset.at) : undefined;
}

/**
 * @param {HTMLElement} line
 * @param {string} words
 */
function markWords(line, words) {
  const text = line.textContent ?? "";
  const place = words ? text.toLowerCase().indexOf(words.toLowerCase()) : -1;
  if (place < 0) return;
  const end = place + words.length;
  line.replaceChildren(text.slice(0, place), element("mark", {}, text.slice(place, end)), text.slice(end));
}

/** @param {number} bytes */
function megabytes(bytes) {
  if (bytes < 1e6) return `${Math.round(bytes / 1024).toLocaleString()} KB`;
  return `${(bytes / 2 ** 20).toFixed(1)} MB`;
}
