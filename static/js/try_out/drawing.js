/** A field to draw on, by mouse, pen, finger or keys: what is drawn is classified after each line. */

import { afterQuiet, all, need } from "../web/dom.js";
import { lookOf } from "./look_of_pictures.js";

// Of the side: about what a pen's line takes of a handwritten digit.
const PEN = 1 / 12;
const [THINNEST, THICKEST] = [1 / 20, 1 / 6];
const KEY_STEP = 1 / 28;
const WAIT_MS = 250;
// Brighter than this is a light ground.
const MIDDLE = 127;
// A dot does not become a disc.
const MOST_ENLARGED = 3;

/** @typedef {[number, number]} Point from 0 to 1 */

/**
 * @param {HTMLFormElement} form
 * @param {(picture: File) => void} take
 */
export function offerDrawing(form, take) {
  const part = /** @type {HTMLElement | null} */ (form.querySelector("[data-drawing]"));
  if (!part) return; // not for networks of colour pictures
  part.hidden = false;
  const pad = new Pad(part, take);
  form.addEventListener("digits:pictures-shown", () => pad.takeGround(form));
  form.addEventListener("digits:classified", (event) => pad.tell(/** @type {CustomEvent<HTMLElement>} */ (event).detail));
}

class Pad {
  /**
   * @param {HTMLElement} part
   * @param {(picture: File) => void} take
   */
  constructor(part, take) {
    this.take = take;
    this.canvas = /** @type {HTMLCanvasElement} */ (need("canvas", part));
    this.context = /** @type {CanvasRenderingContext2D} */ (this.canvas.getContext("2d"));
    this.answer = need("[data-drawing-answer]", part);
    this.words = this.answer.textContent ?? "";
    this.swap = need("[data-swap]", part);
    /** @type {Point[][]} */
    this.lines = [];
    /** @type {Point} where the keys' pen is */
    this.at = [0.5, 0.5];
    this.pen = PEN; // how thick its line is, of the side
    this.isDown = this.showsPen = this.isLightGround = this.isChosen = false;
    this.extent = 0; // of things on the dataset's pictures; 0: not known
    this.classifySoon = afterQuiet(() => this.classify(), WAIT_MS);
    need("[data-clear]", part).addEventListener("click", () => this.change(() => (this.lines = [])));
    need("[data-undo]", part).addEventListener("click", () => this.change(() => this.lines.pop()));
    this.swap.addEventListener("click", () => {
      this.isChosen = true;
      this.setGround(!this.isLightGround);
      this.classifySoon();
    });
    this.listen();
    this.show();
  }

  listen() {
    const { canvas } = this;
    canvas.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      event.preventDefault();
      canvas.focus({ preventScroll: true });
      canvas.setPointerCapture(event.pointerId);
      this.showsPen = this.isDown = false;
      this.lines.push([this.place(event)]);
      this.show();
    });
    canvas.addEventListener("pointermove", (event) => {
      if (!canvas.hasPointerCapture(event.pointerId)) return;
      const moves = event.getCoalescedEvents?.() ?? [];
      for (const move of moves.length ? moves : [event]) this.lines.at(-1)?.push(this.place(move));
      this.show();
    });
    canvas.addEventListener("lostpointercapture", () => this.classifySoon());
    canvas.addEventListener("keydown", (event) => this.key(event));
    canvas.addEventListener("blur", () => {
      this.showsPen = this.isDown = false;
      this.show();
    });
  }

  /**
   * @param {PointerEvent} event
   * @returns {Point}
   */
  place(event) {
    const { left, top, width, height } = this.canvas.getBoundingClientRect();
    return [(event.clientX - left) / width, (event.clientY - top) / height];
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    const moves = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    const move = moves[/** @type {keyof typeof moves} */ (event.key)];
    if (move) this.movePen(move);
    else if (event.key === " ") this.liftOrLower();
    else if (event.key === "Delete") this.change(() => (this.lines = []));
    else if (event.key === "Backspace") this.change(() => this.lines.pop());
    else return;
    event.preventDefault();
    this.showsPen = true;
    this.show();
  }

  /** @param {number[]} move in steps */
  movePen(move) {
    this.at = /** @type {Point} */ (this.at.map((value, axis) => Math.min(1, Math.max(0, value + move[axis] * KEY_STEP))));
    if (this.isDown) this.lines.at(-1)?.push(this.at);
  }

  liftOrLower() {
    this.isDown = !this.isDown;
    if (this.isDown) this.lines.push([this.at]);
    else this.classifySoon();
  }

  /** @param {() => void} work */
  change(work) {
    work();
    this.isDown = false;
    this.show();
    if (this.lines.length) this.classifySoon();
    else this.answer.textContent = this.words;
  }

  /**
   * The picture itself.
   * @param {CanvasRenderingContext2D} context
   * @param {{scale: number, left: number, top: number}} [place]
   */
  paint(context, { scale, left, top } = { scale: 1, left: 0, top: 0 }) {
    const side = context.canvas.width;
    const [ground, ink] = this.isLightGround ? ["white", "black"] : ["black", "white"];
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.fillStyle = ground;
    context.fillRect(0, 0, side, side);
    Object.assign(context, { strokeStyle: ink, lineWidth: this.pen * side, lineCap: "round", lineJoin: "round" });
    context.setTransform(scale, 0, 0, scale, left * side, top * side);
    for (const line of this.lines) {
      context.beginPath();
      // A dot is a line to where it began.
      for (const [x, y] of [line[0], ...line]) context.lineTo(x * side, y * side);
      context.stroke();
    }
  }

  /** What is drawn, with a ring that shows where the keys' pen is. */
  show() {
    const { context, canvas, at, pen } = this;
    this.paint(context);
    if (!this.showsPen) return;
    const colour = getComputedStyle(canvas).getPropertyValue(this.isDown ? "--graph-1" : "--graph-9");
    Object.assign(context, { lineWidth: 4, strokeStyle: colour });
    context.beginPath();
    context.arc(at[0] * canvas.width, at[1] * canvas.height, (pen * canvas.width) / 2 + 3, 0, 2 * Math.PI);
    context.stroke();
  }

  classify() {
    if (!this.lines.length) return;
    const { width, height } = this.canvas;
    const picture = Object.assign(document.createElement("canvas"), { width, height });
    this.paint(/** @type {CanvasRenderingContext2D} */ (picture.getContext("2d")), this.fit());
    picture.toBlob((blob) => {
      if (blob) this.take(new File([blob], "drawing.png", { type: "image/png" }));
    }, "image/png");
  }

  /**
   * Say what the drawing was taken for.
   * @param {HTMLElement} shown
   */
  tell(shown) {
    if (shown.querySelector("[data-name]")?.textContent !== "drawing.png" || !this.lines.length) return;
    const best = shown.querySelector(".prediction");
    const [value, label] = [".number", ".prediction-label"].map((part) => best?.querySelector(part)?.textContent ?? "");
    this.answer.textContent = `“${label}”, ${value}`;
  }

  /** @param {boolean} isLight */
  setGround(isLight) {
    this.isLightGround = isLight;
    this.swap.setAttribute("aria-pressed", String(isLight));
    this.show();
  }

  /**
   * Draw as the dataset's pictures are drawn, unless the reader has said how.
   * @param {HTMLFormElement} form
   */
  async takeGround(form) {
    const pictures = /** @type {HTMLImageElement[]} */ (all("[data-pictures-to-try] img", form));
    const look = await lookOf(pictures);
    if (!look || this.lines.length) return;
    this.extent = look.extent;
    this.pen = Math.min(THICKEST, Math.max(THINNEST, look.thickness));
    this.setGround(this.isChosen ? this.isLightGround : look.edge > MIDDLE);
  }

  /** What brings the lines to the place and the size that things have in the dataset's pictures. */
  fit() {
    const points = this.lines.flat();
    const spans = [0, 1].map((axis) => {
      const values = points.map((point) => point[axis]);
      return [Math.min(...values) - this.pen / 2, Math.max(...values) + this.pen / 2];
    });
    if (!this.extent) return { scale: 1, left: 0, top: 0 };
    const scale = Math.min(MOST_ENLARGED, this.extent / Math.max(...spans.map(([low, high]) => high - low)));
    const [left, top] = spans.map(([low, high]) => 0.5 - (scale * (low + high)) / 2);
    return { scale, left, top };
  }
}
