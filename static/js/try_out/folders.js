/** The files of folders that were dropped on a page, with their paths. */

/**
 * All files below some entries that are wanted by their paths; Error when there are too many.
 * @param {FileSystemEntry[]} entries
 * @param {number} most
 * @param {(path: string) => boolean} isWanted
 * @returns {Promise<{file: File, name: string}[]>}
 */
export async function filesOfFolders(entries, most, isWanted) {
  /** @type {{file: File, name: string}[]} */
  const found = [];
  const waiting = [...entries].reverse();
  for (let entry = waiting.pop(); entry && found.length <= most; entry = waiting.pop()) {
    const name = entry.fullPath.replace(/^\//, "");
    if (entry.isDirectory) waiting.push(...(await childrenOf(/** @type {FileSystemDirectoryEntry} */ (entry))).reverse());
    else if (isWanted(name)) found.push({ file: await fileOf(/** @type {FileSystemFileEntry} */ (entry)), name });
  }
  return found;
}

/**
 * @param {FileSystemDirectoryEntry} folder
 * @returns {Promise<FileSystemEntry[]>} by name
 */
async function childrenOf(folder) {
  const reader = folder.createReader();
  /** @type {FileSystemEntry[]} */
  const found = [];
  // It answers a hundred at a time, and none at the end.
  for (;;) {
    const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (!some.length) return found.sort((a, b) => (a.name < b.name ? -1 : 1));
    found.push(...some);
  }
}

/**
 * @param {FileSystemFileEntry} entry
 * @returns {Promise<File>}
 */
function fileOf(entry) {
  return new Promise((resolve, reject) => entry.file(resolve, reject));
}
