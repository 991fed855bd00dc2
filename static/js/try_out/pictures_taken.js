/** Pictures that come otherwise than by the form's fields: dropped, pasted, or those of a whole folder. */

import { need } from "../web/dom.js";
import { showError } from "../web/errors.js";
import { filesOfFolders } from "./folders.js";

/** @typedef {{file: File, name: string, kept: boolean}} Taken
    `name` is the path below what was chosen; `kept`: it may become part of an evaluation */

// More would keep the reader waiting for hours, and the browser would hold all of their answers.
const MOST = 10_000;
const PICTURE = /\.(jpe?g|jpe|jfif|png|bmp|dib|gif|tiff?|webp|p[bgpn]m|hei[cf]|hif|avif)$/i;

/**
 * @param {HTMLFormElement} form
 * @param {HTMLElement} zone
 * @param {(pictures: Taken[]) => void} take
 * @param {(address: string) => void} takeAddress of another page's picture
 */
export function takePictures(form, zone, take, takeAddress) {
  zone.addEventListener("dragover", (event) => {
    // Without this the browser would open the picture in place of the page.
    event.preventDefault();
    zone.classList.add("drop-target");
  });
  for (const end of ["dragleave", "drop"]) zone.addEventListener(end, () => zone.classList.remove("drop-target"));
  zone.addEventListener("drop", (event) => {
    event.preventDefault();
    const data = event.dataTransfer;
    const address = data?.getData("text/uri-list").split("\n")[0].trim();
    if (data?.files.length) withErrorsBelow(form, async () => take(await dropped(data)));
    else if (address) takeAddress(address);
    else showError(["That is not a picture. Drop picture files, or a picture from another page."], form);
  });
  document.addEventListener("paste", (event) => {
    // Text is pasted into fields as ever.
    const files = event.clipboardData?.files;
    if (!files?.length || form.hidden) return;
    event.preventDefault();
    take(picturesAmong([...files].map((file) => ({ file, name: file.name, kept: false }))));
  });
  offerFolder(form, take);
}

/**
 * The button for a folder, which browsers choose in a field of its own.
 * @param {HTMLFormElement} form
 * @param {(pictures: Taken[]) => void} take
 */
function offerFolder(form, take) {
  const choice = need("[data-folder-choice]", form);
  const field = /** @type {HTMLInputElement} */ (need("input", choice));
  if (!("webkitdirectory" in field)) return; // as on phones that have no folders to choose
  choice.hidden = false;
  need("button", choice).addEventListener("click", () => field.click());
  field.addEventListener("change", () => {
    const files = [...(field.files ?? [])];
    field.value = ""; // it is not sent with the form, and may be chosen again
    withErrorsBelow(form, async () => take(folderPictures(files.map(inFolder))));
  });
}

/**
 * @param {File} file
 * @returns {Taken}
 */
function inFolder(file) {
  return { file, name: file.webkitRelativePath || file.name, kept: true };
}

/**
 * @param {HTMLFormElement} form
 * @param {() => Promise<void>} work
 */
async function withErrorsBelow(form, work) {
  try {
    await work();
  } catch (error) {
    showError([error instanceof Error ? error.message : String(error)], form);
  }
}

/**
 * @param {DataTransfer} data
 * @returns {Promise<Taken[]>}
 */
async function dropped(data) {
  // Asked for at once: after a pause nothing is left of what was dropped.
  const entries = [...data.items].map((item) => item.webkitGetAsEntry());
  const files = [...data.files].map((file) => ({ file, name: file.name, kept: true }));
  if (!entries.some((entry) => entry?.isDirectory)) return limited(picturesAmong(files));
  const found = await filesOfFolders(entries.filter((entry) => entry !== null), MOST, isPicture);
  return folderPictures(found.map(({ file, name }) => ({ file, name, kept: true })));
}

/**
 * The pictures of a folder, which may hold other files as well.
 * @param {Taken[]} files
 */
function folderPictures(files) {
  const found = files.filter(({ file, name }) => isPicture(name, file.type));
  if (!found.length) throw new Error("There is no picture in this folder. Choose another one.");
  return limited(found);
}

/** @param {Taken[]} pictures */
function limited(pictures) {
  if (pictures.length > MOST) throw new Error(tooMany());
  return pictures;
}

/** What to do with more pictures than a browser should send. */
export function tooMany() {
  return (
    `These are more than ${MOST.toLocaleString("en")} pictures. Copy their folder to the server and give its path under ` +
    "“Classify many pictures”, or choose a part of it."
  );
}

/**
 * Of several files those that are pictures; without any the server says what is wrong.
 * @param {Taken[]} files
 */
function picturesAmong(files) {
  const found = files.filter(({ file, name }) => isPicture(name, file.type));
  return found.length ? found : files;
}

/**
 * @param {string} path
 * @param {string} type as the browser knows it; empty where it does not
 */
function isPicture(path, type = "") {
  const hidden = path.split("/").some((part) => part.startsWith(".") || part === "__MACOSX");
  return !hidden && (type.startsWith("image/") || PICTURE.test(path));
}
