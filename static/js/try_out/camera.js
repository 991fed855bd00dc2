/** The camera of the reader's device: asked for at a click, and off again when its part of the page is closed. */

import { need } from "../web/dom.js";

// More than any network sees; a phone's own pictures have ten times as many pixels.
const LARGEST_SIDE = 1024;
const QUALITY = 0.92;
const PLAIN_HTTP =
  "The camera cannot be used here: browsers give it only to pages that come over https, or from this very computer " +
  "(localhost). Open DIGITS by its https address, or ask whoever runs the server for one.";
const PROBLEMS = {
  NotAllowedError: "The browser was not allowed to use the camera. Allow it in the browser’s settings for this page.",
  NotFoundError: "There is no camera on this device.",
  NotReadableError: "The camera is in use by another program.",
};

/**
 * @param {HTMLFormElement} form
 * @param {(picture: File) => void} take
 */
export function offerCamera(form, take) {
  const part = /** @type {HTMLDetailsElement} */ (need("[data-camera]", form));
  part.hidden = false;
  const camera = new Camera(part, take);
  part.addEventListener("toggle", () => part.open || camera.stop());
  window.addEventListener("pagehide", () => camera.stop());
}

class Camera {
  /**
   * @param {HTMLElement} part
   * @param {(picture: File) => void} take
   */
  constructor(part, take) {
    this.part = part;
    this.video = /** @type {HTMLVideoElement} */ (need("video", part));
    this.note = need("[data-camera-note]", part);
    this.words = this.note.textContent ?? "";
    /** @type {MediaStream | null} */
    this.stream = null;
    const startButton = /** @type {HTMLButtonElement} */ (need("[data-start]", part));
    startButton.addEventListener("click", () => this.start());
    need("[data-take]", part).addEventListener("click", () => this.photograph(take));
    need("[data-end]", part).addEventListener("click", () => this.stop());
    if (!window.isSecureContext || !navigator.mediaDevices) {
      startButton.disabled = true;
      this.note.textContent = window.isSecureContext ? PROBLEMS.NotFoundError : PLAIN_HTTP;
    }
  }

  async start() {
    this.note.textContent = "Waiting for the camera …";
    try {
      // The one that looks away from the reader, where a phone has two.
      this.stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" } });
      this.video.srcObject = this.stream;
      await this.video.play();
    } catch (error) {
      this.stop();
      const name = error instanceof Error ? error.name : "";
      this.note.textContent = PROBLEMS[/** @type {keyof typeof PROBLEMS} */ (name)] ?? `The camera did not start: ${error}.`;
      return;
    }
    this.note.textContent = this.words;
    this.switchTo(true);
    need("[data-take]", this.part).focus();
  }

  stop() {
    for (const track of this.stream?.getTracks() ?? []) track.stop();
    this.stream = null;
    this.video.srcObject = null;
    const focused = document.activeElement;
    const hadFocus = this.part.contains(focused) && focused?.matches("[data-take], [data-end]");
    this.switchTo(false);
    if (hadFocus) need("[data-start]", this.part).focus();
  }

  /** @param {boolean} isOn */
  switchTo(isOn) {
    for (const name of ["[data-take]", "[data-end]", "video"]) need(name, this.part).hidden = !isOn;
    need("[data-start]", this.part).hidden = isOn;
  }

  /** @param {(picture: File) => void} take */
  photograph(take) {
    const { videoWidth, videoHeight } = this.video;
    const factor = Math.min(1, LARGEST_SIDE / Math.max(videoWidth, videoHeight));
    const canvas = document.createElement("canvas");
    canvas.width = Math.round(videoWidth * factor);
    canvas.height = Math.round(videoHeight * factor);
    canvas.getContext("2d")?.drawImage(this.video, 0, 0, canvas.width, canvas.height);
    canvas.toBlob(
      (blob) => {
        if (blob) take(new File([blob], "photo.jpg", { type: "image/jpeg" }));
      },
      "image/jpeg",
      QUALITY,
    );
  }
}
