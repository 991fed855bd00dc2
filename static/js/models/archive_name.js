/** The name that an archive gives its model, suggested before anything is sent.

    Archives of DIGITS begin with info.json, so a look at their first bytes is enough. What cannot be
    read like that gets its name from the server. */

import { need } from "../web/dom.js";

const MOST_BYTES = 1 << 20;
const BLOCK = 512;

/**
 * Put the archive's own name into the empty field for it.
 * @param {HTMLFormElement} form
 */
export function suggestName(form) {
  const input = /** @type {HTMLInputElement} */ (need("input[name='archive']", form));
  const name = /** @type {HTMLInputElement} */ (need("input[name='model_name']", form));
  let suggested = "";
  const suggest = async () => {
    const file = input.files?.[0];
    const found = file ? await nameIn(file) : "";
    // What somebody has typed stays.
    if (file !== input.files?.[0] || (name.value && name.value !== suggested)) return;
    name.value = suggested = found;
  };
  input.addEventListener("change", suggest);
  // A file may have been chosen before this script was there.
  suggest();
}

/**
 * @param {File} file
 * @returns {Promise<string>} empty when it cannot be told
 */
async function nameIn(file) {
  try {
    const start = new Uint8Array(await file.slice(0, MOST_BYTES).arrayBuffer());
    const info = JSON.parse(new TextDecoder().decode(await firstFile(start, file)));
    return typeof info.name === "string" ? info.name : "";
  } catch {
    return "";
  }
}

/**
 * What the first file of an archive holds; an error unless that is info.json.
 * @param {Uint8Array<ArrayBuffer>} start
 * @param {File} file
 */
async function firstFile(start, file) {
  if (start[0] === 0x50 && start[1] === 0x4b) return await ofZip(start);
  if (start[0] === 0x1f && start[1] === 0x8b) return ofTar(await opened(file.slice(0, MOST_BYTES), "gzip"));
  return ofTar(start);
}

/** @param {Uint8Array<ArrayBuffer>} bytes */
function ofTar(bytes) {
  requireInfo(text(bytes.subarray(0, 100)).split("\0", 1)[0]);
  const size = Number.parseInt(text(bytes.subarray(124, 136)), 8);
  return bytes.slice(BLOCK, BLOCK + size);
}

/** @param {Uint8Array<ArrayBuffer>} bytes */
async function ofZip(bytes) {
  const view = new DataView(bytes.buffer);
  const begin = 30 + view.getUint16(26, true) + view.getUint16(28, true);
  requireInfo(text(bytes.subarray(30, 30 + view.getUint16(26, true))));
  const content = bytes.slice(begin);
  if (view.getUint16(8, true) === 0) return content.slice(0, view.getUint32(18, true));
  return await opened(new Blob([content]), "deflate-raw");
}

/** @param {string} name */
function requireInfo(name) {
  if (name.split("/").at(-1) !== "info.json") throw new Error(`${name} is not info.json`);
}

/**
 * The beginning of what was compressed; the end of a part of it is no error.
 * @param {Blob} part
 * @param {CompressionFormat} format
 */
async function opened(part, format) {
  const reader = part.stream().pipeThrough(new DecompressionStream(format)).getReader();
  /** @type {Uint8Array<ArrayBuffer>[]} */
  const pieces = [];
  let size = 0;
  try {
    while (size < MOST_BYTES) {
      const { done, value } = await reader.read();
      if (done) break;
      pieces.push(new Uint8Array(value));
      size += value.length;
    }
    await reader.cancel();
  } catch {
    // Cut off, or something stands behind it: what came before is all that is needed.
  }
  return new Uint8Array(await new Blob(pieces).arrayBuffer());
}

/** @param {Uint8Array} bytes */
function text(bytes) {
  return new TextDecoder().decode(bytes);
}
