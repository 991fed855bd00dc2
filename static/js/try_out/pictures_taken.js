/** Pictures that are dropped onto a form, or pasted: all of them are taken. */

import { showError } from "../web/errors.js";

/**
 * @param {HTMLFormElement} form
 * @param {HTMLElement} zone
 * @param {(files: FileList, address: string) => void} take files, or the address of another page's picture
 */
export function takePictures(form, zone, take) {
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
    if (data?.files.length) take(pictures(data.files), "");
    else if (address) take(new DataTransfer().files, address);
    else showError(["That is not a picture. Drop picture files, or a picture from another page."], form);
  });
  document.addEventListener("paste", (event) => {
    // Text is pasted into fields as ever.
    const files = event.clipboardData?.files;
    if (!files?.length || form.hidden) return;
    event.preventDefault();
    take(pictures(files), "");
  });
}

/**
 * Of several files those that are pictures; without any the server says what is wrong.
 * @param {FileList} files
 * @returns {FileList}
 */
function pictures(files) {
  const found = [...files].filter((file) => file.type.startsWith("image/"));
  const taken = new DataTransfer();
  for (const file of found.length ? found : files) taken.items.add(file);
  return taken.files;
}
