/** What a folder is known again by: the paths, sizes and times of its pictures, and what some of them begin with.

    Folders that are not the same may have one name, and as many pictures of the same sizes. */

import { inSlices } from "../../web/slices.js";

/** @typedef {import("./picked.js").Picked} Picked */

// Out of an archive all may have the same time, and pictures that are not compressed have the same size.
const PICTURES_LOOKED_INTO = 16;
const BYTES_LOOKED_AT = 1 << 14;

/**
 * In whatever order the pictures are met.
 * @param {Picked[]} pictures
 * @param {import("../../web/slices.js").Watch} watch
 * @returns {Promise<{bytes: number, fingerprint: string}>} `bytes` of all of them
 */
export async function fingerprintOf(pictures, watch) {
  const sorted = [...pictures].sort((one, other) => (one.path < other.path ? -1 : 1));
  const marks = new Marks();
  let bytes = 0;
  // A browser looks at the disk when a file is first asked for its size, and the page waits for it.
  await inSlices(sorted, ({ file, path }) => {
    bytes += file.size;
    marks.add(`${path}\0${file.size}\0${file.lastModified}`);
  }, watch);
  const step = Math.ceil(sorted.length / PICTURES_LOOKED_INTO);
  for (let place = 0; place < sorted.length; place += step) marks.add(await beginningOf(sorted[place].file));
  return { bytes, fingerprint: marks.text };
}

/**
 * @param {File} file
 * @returns {Promise<string>} empty where it cannot be read, which is told when it is sent
 */
async function beginningOf(file) {
  const bytes = await file.slice(0, BYTES_LOOKED_AT).arrayBuffer().catch(() => new ArrayBuffer(0));
  return new TextDecoder("latin1").decode(bytes);
}

/** Two numbers of texts, from FNV-1a and murmur: pages that come over plain http have no better ones. */
class Marks {
  constructor() {
    this.numbers = new Uint32Array([0x811c9dc5, 0x9747b28c]);
  }

  /** @param {string} text */
  add(text) {
    let [one, other] = this.numbers;
    for (let place = 0; place < text.length; place += 1) {
      const code = text.charCodeAt(place);
      one = Math.imul(one ^ code, 0x01000193);
      other = Math.imul(other ^ code, 0x5bd1e995);
      other ^= other >>> 15;
    }
    this.numbers.set([one, other]);
  }

  get text() {
    return [...this.numbers].map((number) => number.toString(16).padStart(8, "0")).join("");
  }
}
