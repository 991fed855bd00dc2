/** A folder of one's own computer: its files with their paths, chosen or dropped. */

import { filesOfFolders } from "../../try_out/folders.js";
import { fingerprintOf } from "./fingerprint.js";

/** @typedef {{file: File, path: string}} Picked
    `path` starts below the folder that was chosen */
/** @typedef {{name: string, pictures: Picked[], others: string[], othersCount: number, bytes: number, fingerprint: string}} Folder
    `others` are the first files that are no pictures, by their names; `fingerprint`: fingerprint.js */
/** @typedef {import("../../web/slices.js").Watch} Watch */

export const MOST_FILES = 200_000;
const MOST_NAMED = 20;
// As digits/sources/folders.py has them; without an extension a file's first bytes decide.
export const PICTURE = /\.(jpe?g|jpe|jfif|png|bmp|dib|gif|tiff?|webp|p[bgpn]m|hei[cf]|hif|avif)$/i;

/**
 * What was chosen with a file dialog.
 * @param {FileList} files
 * @param {Watch} watch
 * @returns {Promise<Folder>}
 */
export function chosenFolder(files, watch) {
  return folderOf([...files].map((file) => ({ file, path: file.webkitRelativePath || file.name })), watch);
}

/**
 * What was dropped, when there is a folder among it; else null. To be called while it is dropped.
 * @param {DataTransfer | null} data
 * @returns {((watch: Watch) => Promise<Folder>) | null}
 */
export function droppedFolder(data) {
  const entries = [...(data?.items ?? [])].map((item) => item.webkitGetAsEntry?.()).filter((entry) => entry !== null);
  if (!entries.some((entry) => entry?.isDirectory)) return null;
  const folders = /** @type {FileSystemEntry[]} */ (entries);
  return async (watch) => {
    const found = await filesOfFolders(folders, MOST_FILES, (path) => !isHidden(path));
    return folderOf(found.map(({ file, name }) => ({ file, path: name })), watch);
  };
}

/**
 * @param {Picked[]} all
 * @param {Watch} watch
 * @returns {Promise<Folder>}
 */
async function folderOf(all, watch) {
  const seen = all.filter(({ path }) => !isHidden(path));
  const tops = new Set(seen.map(({ path }) => (path.includes("/") ? path.split("/")[0] : "")));
  const [top] = tops;
  const isOne = tops.size === 1 && Boolean(top);
  const below = isOne ? seen.map(({ file, path }) => ({ file, path: path.slice(top.length + 1) })) : seen;
  const pictures = below.filter(({ path }) => mayBePicture(path));
  const others = below.filter(({ path }) => !mayBePicture(path)).map(({ path }) => path);
  const told = pictures.length > MOST_FILES ? { bytes: 0, fingerprint: "" } : await fingerprintOf(pictures, watch);
  const name = isOne ? top : "Several folders";
  return { name, pictures, others: others.slice(0, MOST_NAMED), othersCount: others.length, ...told };
}

/** @param {string} path */
function mayBePicture(path) {
  const name = path.slice(path.lastIndexOf("/") + 1);
  return PICTURE.test(name) || !/[^.]\./.test(name);
}

/** @param {string} path */
function isHidden(path) {
  return path.split("/").some((part) => part.startsWith(".") || part === "__MACOSX");
}
