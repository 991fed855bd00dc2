/** The tab that uploads a folder of one's own computer. */

import { clearErrors, showErrors } from "../../forms/errors.js";
import { valueOf } from "../../forms/fields.js";
import { moveBar } from "../../job/progress.js";
import { element, need } from "../../web/dom.js";
import { RequestFailed, messagesOf, request, send } from "../../web/http.js";
import { duration } from "../../web/times.js";
import { MOST_FILES, chosenFolder, droppedFolder } from "./picked.js";
import { counted, grouped } from "./preview.js";
import { Sending } from "./sending.js";
import { suggestName } from "./suggested_name.js";

/** @typedef {import("./picked.js").Folder} Folder */
/** @typedef {import("./preview.js").Preview} Preview */
/** @typedef {import("../../web/slices.js").Watch} Watch */
/** @typedef {{id: string, name: string, files: number, bytes: number, files_to_come: number, bytes_to_come: number,
    left_out_count: number, fingerprint: string}} Upload */

export class FolderUpload {
  /**
   * @param {HTMLFormElement} form
   * @param {Preview} preview
   */
  constructor(form, preview) {
    this.form = form;
    this.preview = preview;
    this.part = need("[data-folder-upload]", form);
    this.uploads = this.part.dataset.folderUpload ?? "";
    this.input = /** @type {HTMLInputElement} */ (need("#upload-folder", form));
    this.id = /** @type {HTMLInputElement} */ (need("[name='upload']", form));
    this.words = need("[data-folder-words]", this.part);
    this.bar = need("progress", this.part);
    this.progress = need("[data-folder-progress]", this.part);
    this.unfinished = need("[data-unfinished]", this.part);
    this.stopButton = need("[data-stop-upload]", this.part);
    /** @type {Sending | null} */
    this.sending = null;
    /** @type {AbortController | null} of the folder that is read on this computer now */
    this.reading = null;
    /** @type {Folder | null} what is announced to the server and sent now */
    this.taking = null;
    this.listen();
    this.tellOfUnfinished();
  }

  listen() {
    // A browser says nothing when what was chosen before is chosen again, which is how one goes on.
    this.input.addEventListener("click", () => (this.input.value = ""));
    this.input.addEventListener("change", () => {
      const { files } = this.input;
      if (files?.length) this.choose((watch) => chosenFolder(files, watch));
    });
    this.stopButton.addEventListener("click", () => this.sending?.stop());
    // Before the archive's listener, which would take the folder for a file.
    this.form.addEventListener("drop", (event) => this.dropped(event), { capture: true });
    this.form.addEventListener("submit", (event) => this.holdBack(event), { capture: true });
    this.form.addEventListener("change", () => this.showPreview());
    window.addEventListener("beforeunload", (event) => {
      if (this.sending) event.preventDefault();
    });
  }

  get isChosen() {
    return valueOf(this.form, "method") === "upload";
  }

  /** @param {DragEvent} event */
  dropped(event) {
    const folder = droppedFolder(event.dataTransfer);
    if (!folder) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    this.form.classList.remove("drop-target");
    /** @type {HTMLInputElement} */ (need("input[name='method'][value='upload']", this.form)).checked = true;
    this.form.dispatchEvent(new Event("change"));
    this.choose(folder);
  }

  /**
   * A dataset of half a folder is made only when somebody has stopped the upload.
   * @param {SubmitEvent} event
   */
  holdBack(event) {
    if (!this.isChosen || !(this.reading || this.taking)) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    const wait = this.sending ? "Wait until it has arrived, or press Stop to use what has." : "Wait until it has arrived.";
    showErrors(this.form, { form: [`The folder is still being uploaded. ${wait}`] });
  }

  /**
   * Read what was chosen, and upload it; what is being uploaded goes on until it is known that this can be.
   * @param {(watch: Watch) => Promise<Folder>} read
   */
  async choose(read) {
    this.reading?.abort();
    const reading = (this.reading = new AbortController());
    clearErrors(this.form);
    const before = this.words.textContent ?? "";
    const tell = (/** @type {number} */ done, /** @type {number} */ all) => {
      if (!reading.signal.aborted) this.words.textContent = `Looking at the folder on your computer: ${grouped(done)} of ${counted(all, "picture", "pictures")}`;
    };
    this.progress.hidden = false;
    let problem = "";
    try {
      const folder = await read({ signal: reading.signal, tell });
      if (reading.signal.aborted) return; // another one was chosen meanwhile
      problem = problemOf(folder);
      if (!problem) return this.take(folder);
    } catch (error) {
      if (!(error instanceof DOMException)) throw error;
      problem = `The browser cannot read this folder: ${error.message}`;
    } finally {
      if (this.reading === reading) this.reading = null;
    }
    if (reading.signal.aborted) return;
    this.words.textContent = before;
    this.progress.hidden = !before;
    showErrors(this.form, { upload: [problem] });
  }

  /** @param {Folder} folder */
  async take(folder) {
    this.sending?.stop();
    suggestName(this.form, folder.name);
    this.preview.hide();
    this.folder = this.taking = folder;
    try {
      const upload = await this.begin(folder);
      const held = await this.json(this.address(upload.id, "/files"));
      if (this.folder === folder) await this.run(folder, upload, held);
    } catch (error) {
      if (!(error instanceof RequestFailed)) throw error;
      if (this.folder !== folder) return; // another one was chosen meanwhile
      showErrors(this.form, { upload: messagesOf(error) });
      this.words.textContent = "Not all of it has arrived. Choose the folder again to go on.";
    } finally {
      if (this.taking === folder) this.taking = null;
    }
  }

  /**
   * Go on with an upload of this very folder, or begin one.
   * @param {Folder} folder
   * @returns {Promise<Upload>}
   */
  async begin(folder) {
    const known = /** @type {Upload[]} */ ((await this.json(this.uploads)).uploads);
    const { bytes, fingerprint, pictures } = folder;
    // Another folder may have the same name, and as many pictures of the same sizes.
    const same = known.find((upload) => upload.name === nameOf(folder) && upload.fingerprint === fingerprint);
    if (same) return same;
    const body = new URLSearchParams({ name: nameOf(folder), files: String(pictures.length), bytes: String(bytes), fingerprint });
    return (await send(this.uploads, body)).json();
  }

  /**
   * @param {Folder} folder
   * @param {Upload} upload
   * @param {{files: Record<string, number>, left_out: Record<string, string>}} held
   */
  async run(folder, upload, held) {
    this.id.value = upload.id;
    this.unfinished.hidden = true;
    const refused = new Set(Object.keys(held.left_out));
    const sending = new Sending(this.address(upload.id, "/files"), folder.pictures, held.files, refused, (now) => this.tell(now));
    this.sending = sending;
    this.progress.hidden = this.stopButton.hidden = false;
    this.goneOn = sending.done;
    this.tell(sending);
    try {
      await sending.run();
    } finally {
      if (this.sending === sending) {
        this.sending = null;
        this.stopButton.hidden = true;
      }
    }
    if (this.folder !== folder) return; // another one was chosen meanwhile
    if (!sending.stopped.signal.aborted) clearErrors(this.form);
    this.words.textContent = endWords(sending);
    this.shown = "";
    this.showPreview();
  }

  /** @param {Sending} sending */
  tell(sending) {
    if (this.reading) return; // how far that is stands there
    moveBar(this.bar, sending.totalBytes ? (100 * sending.doneBytes) / sending.totalBytes : 100);
    const parts = [`${grouped(sending.done)} of ${counted(sending.total, "picture", "pictures")}`, `${megabytes(sending.doneBytes)} of ${megabytes(sending.totalBytes)}`];
    if (sending.waitsUntil_s) parts.push("the connection is lost: trying again, nothing has to be sent twice");
    else if (sending.rate > 0) {
      parts.push(`${megabytes(sending.rate)}/s`, `${duration((sending.totalBytes - sending.doneBytes) / sending.rate)} left`);
    }
    if (this.goneOn) parts.push(`${grouped(this.goneOn)} had arrived before`);
    this.words.textContent = parts.join(" · ");
  }

  /** Show what has arrived, unless it is shown. */
  showPreview() {
    if (!this.isChosen) {
      this.shown = "";
      return;
    }
    if (this.sending || !this.id.value) {
      if (!this.shown) this.preview.hide();
      return;
    }
    const key = `${this.id.value} ${valueOf(this.form, "split_folders")}`;
    if (this.shown === key) return;
    this.shown = key;
    const others = (this.folder?.others ?? []).map((path) => ({ path, reason: "not a picture, by its name" }));
    this.preview.show(this.address(this.id.value, "/preview"), others, this.folder?.othersCount ?? 0);
  }

  /** Say what an earlier page has sent, and no dataset was made of. */
  async tellOfUnfinished() {
    let uploads = /** @type {Upload[]} */ ([]);
    try {
      ({ uploads } = await this.json(this.uploads));
    } catch (error) {
      if (!(error instanceof RequestFailed)) throw error; // the form works without
    }
    const rows = uploads.filter((upload) => upload.files).map((upload) => this.unfinishedRow(upload));
    if (!rows.length || this.sending) return;
    this.unfinished.append(...rows);
    this.unfinished.hidden = false;
    const mine = uploads.find((upload) => upload.id === this.id.value);
    if (mine) this.use(mine);
  }

  /** @param {Upload} upload */
  unfinishedRow(upload) {
    const all = Math.max(upload.files_to_come, upload.files + upload.left_out_count);
    const isWhole = upload.files + upload.left_out_count >= all;
    const words = isWhole
      ? `“${upload.name}” has arrived: ${counted(upload.files, "picture", "pictures")}, ${megabytes(upload.bytes)}.`
      : `“${upload.name}”: ${grouped(upload.files)} of ${counted(all, "picture", "pictures")} have arrived. Choose the same folder again: only what is missing is sent.`;
    const use = button(isWhole ? "Use it" : "Use what has arrived", "btn-outline-secondary", () => this.use(upload));
    const remove = button("Remove", "btn-quiet", () => this.remove(upload, row));
    for (const each of [use, remove]) each.setAttribute("aria-label", `${each.textContent}: ${upload.name}`);
    const row = element("li", {}, element("span", {}, words), use, remove);
    return row;
  }

  /** @param {Upload} upload */
  use(upload) {
    this.id.value = upload.id;
    suggestName(this.form, upload.name);
    this.progress.hidden = false;
    this.stopButton.hidden = true;
    moveBar(this.bar, 100);
    this.words.textContent = `“${upload.name}”: ${counted(upload.files, "picture", "pictures")}, ${megabytes(upload.bytes)}`;
    this.folder = undefined;
    this.shown = "";
    this.showPreview();
  }

  /**
   * @param {Upload} upload
   * @param {HTMLElement} row
   */
  async remove(upload, row) {
    try {
      await send(this.address(upload.id), undefined, "DELETE");
    } catch (error) {
      if (!(error instanceof RequestFailed) || error.code !== 404) throw error; // another tab was faster
    }
    row.remove();
    this.unfinished.hidden = !this.unfinished.children.length;
    if (this.id.value === upload.id) {
      this.id.value = "";
      this.progress.hidden = true;
      this.preview.hide();
    }
    this.input.focus();
  }

  /**
   * @param {string} id
   * @param {string} [what]
   */
  address(id, what = "") {
    return this.uploads.replace(/\.json$/, `/${id}${what}.json`);
  }

  /** @param {string} url */
  async json(url) {
    return (await request(url, { headers: { Accept: "application/json" } })).json();
  }
}

/** @param {Folder} folder */
function problemOf(folder) {
  if (!folder.pictures.length) return "There is no picture in this folder.";
  if (folder.pictures.length > MOST_FILES) {
    return `This folder has more than ${grouped(MOST_FILES)} pictures. Copy it to the server, and use it there.`;
  }
  return "";
}

/** @param {Folder} folder */
function nameOf(folder) {
  return folder.name.replace(/[^\P{C}]/gu, " ").trim().slice(0, 200).trim();
}

/** @param {Sending} sending */
function endWords(sending) {
  if (sending.stopped.signal.aborted) {
    return `Stopped: ${grouped(sending.done)} of ${counted(sending.total, "picture", "pictures")} have arrived. Choose the folder again to go on.`;
  }
  const left = Object.keys(sending.leftOut).length;
  const words = `All has arrived: ${counted(sending.total - left, "picture", "pictures")}, ${megabytes(sending.totalBytes)}.`;
  return left ? `${words} ${counted(left, "file was", "files were")} not taken.` : words;
}

/** @param {number} bytes */
function megabytes(bytes) {
  if (bytes < 1e6) return `${Math.round(bytes / 1e3)} KB`;
  return `${(bytes / 1e6).toFixed(bytes < 1e7 ? 1 : 0)} MB`;
}

/**
 * @param {string} words
 * @param {string} kind
 * @param {() => void} pressed
 */
function button(words, kind, pressed) {
  const made = element("button", { class: `btn btn-sm ${kind}`, type: "button" }, words);
  made.addEventListener("click", pressed);
  return made;
}
