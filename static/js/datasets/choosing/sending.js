/** Sends the files of a folder, some at a time and several requests at once, until all have arrived.

    A lost connection is waited for; what the server refuses for good ends it with the reason. */

import { RequestFailed, send } from "../../web/http.js";

/** @typedef {import("./picked.js").Picked} Picked */

const FILES_AT_ONCE = 50;
const BYTES_AT_ONCE = 4 << 20;
const REQUESTS_AT_ONCE = 3;
const LONGEST_WAIT_S = 30;
// Over a longer time a line that has become slow would not be seen.
const RATE_WINDOW_MS = 10_000;
// What another try may mend: no connection, a proxy without a server behind it, a busy server.
const PASSING = [0, 429, 502, 503, 504];

export class Sending {
  /**
   * @param {string} url where files go
   * @param {Picked[]} pictures all of the folder
   * @param {Record<string, number>} arrived bytes by path
   * @param {Set<string>} refused what the server does not take
   * @param {(sending: Sending) => void} tell
   */
  constructor(url, pictures, arrived, refused, tell) {
    this.url = url;
    this.tell = tell;
    this.stopped = new AbortController();
    this.total = pictures.length;
    this.totalBytes = bytesOf(pictures);
    this.waiting = pictures.filter(({ path, file }) => arrived[path] !== file.size && !refused.has(path));
    this.done = this.total - this.waiting.length;
    this.doneBytes = this.totalBytes - bytesOf(this.waiting);
    /** @type {Record<string, string>} */
    this.leftOut = {};
    this.waitsUntil_s = 0;
    /** @type {[number, number][]} time and bytes of the last seconds */
    this.window = [[performance.now(), this.doneBytes]];
  }

  stop() {
    this.stopped.abort();
  }

  /** Bytes per second; 0 while nothing has come. */
  get rate() {
    const [[start, then]] = this.window;
    const passed_s = (performance.now() - start) / 1000;
    return passed_s > 0.3 ? (this.doneBytes - then) / passed_s : 0;
  }

  /**
   * Send all that is missing.
   * @throws {RequestFailed} what no other try would mend
   */
  async run() {
    const lines = Array.from({ length: REQUESTS_AT_ONCE }, () => this.line());
    try {
      await Promise.all(lines);
    } catch (error) {
      this.stop();
      await Promise.allSettled(lines);
      throw error;
    }
  }

  async line() {
    for (let batch = this.next(); batch.length && !this.stopped.signal.aborted; batch = this.next()) {
      await this.sendUntilArrived(batch);
    }
  }

  /** The next files that go together. */
  next() {
    let bytes = 0;
    let count = 0;
    while (count < this.waiting.length && count < FILES_AT_ONCE) {
      bytes += this.waiting[count].file.size;
      if (count && bytes > BYTES_AT_ONCE) break;
      count += 1;
    }
    return this.waiting.splice(0, count);
  }

  /** @param {Picked[]} batch */
  async sendUntilArrived(batch) {
    for (let tries = 0; batch.length && !this.stopped.signal.aborted; tries += 1) {
      try {
        await this.sendOnce(batch);
        return;
      } catch (error) {
        if (this.stopped.signal.aborted) return;
        if (!(error instanceof RequestFailed) || !PASSING.includes(error.code)) throw error;
        batch = await this.stillThere(batch);
        await this.pause(Math.max(error.retryAfter_s, Math.min(LONGEST_WAIT_S, 2 ** tries)));
      }
    }
  }

  /** @param {Picked[]} batch */
  async sendOnce(batch) {
    const body = new FormData();
    body.set("paths", JSON.stringify(batch.map(({ path }) => path)));
    for (const { file } of batch) body.append("file", file, "file");
    const answer = await (await send(this.url, body, "POST", this.stopped.signal)).json();
    this.waitsUntil_s = 0;
    Object.assign(this.leftOut, answer.left_out);
    this.count(batch);
  }

  /** @param {Picked[]} batch */
  count(batch) {
    this.done += batch.length;
    this.doneBytes += bytesOf(batch);
    const now = performance.now();
    this.window.push([now, this.doneBytes]);
    while (this.window.length > 2 && now - this.window[1][0] > RATE_WINDOW_MS) this.window.shift();
    this.tell(this);
  }

  /**
   * Leave out what can no longer be read: a file that was changed looks like a lost connection.
   * @param {Picked[]} batch
   */
  async stillThere(batch) {
    const readable = await Promise.all(batch.map(({ file }) => file.slice(0, 1).arrayBuffer().then(() => true, () => false)));
    const gone = batch.filter((_, place) => !readable[place]);
    for (const { path } of gone) this.leftOut[path] = "it was changed or removed on your computer meanwhile";
    if (gone.length) this.count(gone);
    return batch.filter((_, place) => readable[place]);
  }

  /**
   * Wait, but not longer than until the connection is back.
   * @param {number} wait_s
   */
  async pause(wait_s) {
    this.waitsUntil_s = Date.now() / 1000 + wait_s;
    this.tell(this);
    await new Promise((resolve) => {
      const timer = setTimeout(resolve, 1000 * wait_s);
      for (const [target, kind] of /** @type {[EventTarget, string][]} */ ([[window, "online"], [this.stopped.signal, "abort"]])) {
        target.addEventListener(kind, () => (clearTimeout(timer), resolve(null)), { once: true });
      }
    });
  }
}

/** @param {Picked[]} pictures */
function bytesOf(pictures) {
  return pictures.reduce((sum, { file }) => sum + file.size, 0);
}
