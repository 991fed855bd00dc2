/** Fields for folders of the server: a way to look for the right one, and what it would become. */

import { valueOf } from "../../forms/fields.js";
import { all, element, need } from "../../web/dom.js";
import { RequestFailed, messagesOf, request } from "../../web/http.js";
import { counted, grouped } from "./preview.js";
import { suggestName } from "./suggested_name.js";

/** @typedef {import("./preview.js").Preview} Preview */
/** @typedef {{path: string, parent: string | null, folders: string[], pictures: number, is_cut: boolean}} Listing */

/**
 * Show what the training folder would become, when another one is given.
 * @param {HTMLFormElement} form
 * @param {Preview} preview
 */
export function previewServerFolder(form, preview) {
  const folders = need("[data-server-folders]", form).dataset.serverFolders ?? "";
  let looked = "";
  const update = () => {
    const method = valueOf(form, "method");
    const folder = method === "folder" ? valueOf(form, "folder_train").trim() : "";
    const key = folder && `${folder} ${valueOf(form, "split_folders")}`;
    if (key === looked) return;
    looked = key;
    if (!folder.startsWith("/")) {
      if (method !== "upload") preview.hide();
      return;
    }
    suggestName(form, folder.replace(/\/+$/, "").split("/").at(-1) ?? "");
    preview.show(`${folders.replace(/\.json$/, "/preview.json")}?path=${encodeURIComponent(folder)}`);
  };
  form.addEventListener("change", update);
  update();
}

/**
 * Put a button to browse beside every field for a folder.
 * @param {HTMLFormElement} form
 */
export function browseFolders(form) {
  const url = need("[data-server-folders]", form).dataset.serverFolders ?? "";
  for (const field of all("input[name^='folder_'][data-path-field]", form)) new FolderBrowser(/** @type {HTMLInputElement} */ (field), url);
}

class FolderBrowser {
  /**
   * @param {HTMLInputElement} field
   * @param {string} url
   */
  constructor(field, url) {
    this.field = field;
    this.url = url;
    const id = `${field.id}-browser`;
    const title = field.labels?.[0]?.textContent?.trim() ?? "";
    this.button = element("button", { class: "btn btn-sm btn-outline-secondary folder-browse", type: "button", "aria-expanded": "false", "aria-controls": id }, "Browse…");
    this.button.setAttribute("aria-label", `Browse: ${title}`);
    this.place = element("div", { class: "folder-browser", id, role: "group", "aria-label": `Folders of the server: ${title}`, hidden: "" });
    this.here = element("p", { class: "path", tabindex: "-1" });
    this.words = element("p", { class: "muted", role: "status" });
    this.list = element("ul", { class: "plain-list folder-list" });
    this.take = element("button", { class: "btn btn-sm btn-primary", type: "button" }, "Use this folder");
    this.close = element("button", { class: "btn btn-sm btn-outline-secondary", type: "button" }, "Close");
    this.place.append(this.here, this.words, this.list, element("div", { class: "page-tools" }, this.take, this.close));
    need(".has-suggestions", field.closest(".field") ?? document).after(this.button, this.place);
    this.button.addEventListener("click", () => (this.place.hidden ? this.open(this.field.value.trim()) : this.shut()));
    this.take.addEventListener("click", () => this.use());
    this.close.addEventListener("click", () => this.shut());
    this.place.addEventListener("keydown", (event) => {
      if (event.key === "Escape") this.shut();
    });
  }

  /** @param {string} path */
  async open(path) {
    this.place.hidden = false;
    this.button.setAttribute("aria-expanded", "true");
    // A path that is none leads to the top.
    if (!(path.startsWith("/") && (await this.go(path, false)))) await this.go("", true);
    this.here.focus();
  }

  shut() {
    this.place.hidden = true;
    this.button.setAttribute("aria-expanded", "false");
    this.button.focus();
  }

  use() {
    this.field.value = this.path ?? "";
    this.shut();
    this.field.dispatchEvent(new Event("change", { bubbles: true }));
  }

  /**
   * Show a folder; false when it cannot be.
   * @param {string} path
   * @param {boolean} tell whether to say why
   */
  async go(path, tell) {
    try {
      const query = path ? `?path=${encodeURIComponent(path)}` : "";
      const answer = await request(`${this.url}${query}`, { headers: { Accept: "application/json" } });
      this.draw(await answer.json());
      return true;
    } catch (error) {
      if (!(error instanceof RequestFailed)) throw error;
      if (tell) this.words.textContent = messagesOf(error).join(" ");
      return false;
    }
  }

  /** @param {Listing} listing */
  draw(listing) {
    this.path = listing.path;
    this.here.textContent = listing.path || "Folders that may be read";
    const more = listing.is_cut ? "more than " : "";
    const pictures = listing.pictures ? `, ${more}${counted(listing.pictures, "picture", "pictures")}` : "";
    this.words.textContent = `${more}${grouped(listing.folders.length)} ${listing.folders.length === 1 ? "folder" : "folders"}${pictures}`;
    this.take.hidden = !listing.path;
    const rows = listing.folders.map((name) => this.row(name, name.startsWith("/") ? name : `${listing.path.replace(/\/$/, "")}/${name}`));
    if (listing.parent !== null) rows.unshift(this.row("One level up", listing.parent));
    this.list.replaceChildren(...rows);
    this.list.scrollTop = 0;
  }

  /**
   * @param {string} words
   * @param {string} path
   */
  row(words, path) {
    const made = element("button", { class: "btn-link", type: "button" }, words);
    made.addEventListener("click", async () => {
      await this.go(path, true);
      this.here.focus();
    });
    return element("li", {}, made);
  }
}
