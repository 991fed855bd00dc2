/** How things are drawn on some pictures: on a light or a dark ground, how large, with how thick a line. */

// What differs so much from the edge of a picture belongs to the thing that it shows.
const CLEARLY_OTHER = 64;
// Of the pixels along the edge: of fewer alike there is no ground.
const ALIKE = 0.8;

/** @typedef {{edge: number, extent: number, thickness: number}} Look the ground's brightness, 0 to 255; of the
    picture's side what the thing takes, and how thick its lines are */

/**
 * The look that most of the pictures have; none where they have no ground, as photographs.
 * @param {HTMLImageElement[]} pictures
 * @returns {Promise<Look | null>}
 */
export async function lookOf(pictures) {
  await Promise.all(pictures.map((picture) => picture.decode().catch(() => {})));
  const looks = pictures.filter(({ naturalWidth }) => naturalWidth).map(lookAt);
  const found = looks.filter((look) => look !== null);
  if (!found.length || found.length < looks.length / 2) return null;
  const middle = (/** @type {"edge" | "extent" | "thickness"} */ name) => median(found.map((look) => look[name]));
  return { edge: middle("edge"), extent: middle("extent"), thickness: middle("thickness") };
}

/**
 * @param {HTMLImageElement} picture
 * @returns {Look | null}
 */
function lookAt(picture) {
  const { naturalWidth: width, naturalHeight: height } = picture;
  const values = brightness(picture);
  const border = values.filter((_, at) => isBorder(at, width, height));
  const edge = median([...border]);
  const isThing = values.map((value) => Math.abs(value - edge) > CLEARLY_OTHER);
  const alike = border.filter((value) => Math.abs(value - edge) <= CLEARLY_OTHER).length;
  const places = isThing.flatMap((is, at) => (is ? [at] : []));
  if (alike < ALIKE * border.length || !places.length) return null;
  const rows = span(places.map((at) => Math.floor(at / width)));
  const columns = span(places.map((at) => at % width));
  const thickness = median(places.map((at) => Math.min(run(isThing, at, 1, width), run(isThing, at, width, width))));
  return { edge, extent: Math.max(rows / height, columns / width), thickness: thickness / Math.max(width, height) };
}

/**
 * @param {HTMLImageElement} picture
 * @returns {number[]} of every pixel, row by row
 */
function brightness(picture) {
  const { naturalWidth: width, naturalHeight: height } = picture;
  const canvas = Object.assign(document.createElement("canvas"), { width, height });
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d", { willReadFrequently: true }));
  context.drawImage(picture, 0, 0);
  const { data } = context.getImageData(0, 0, width, height);
  return Array.from({ length: width * height }, (_, at) => data[4 * at]);
}

/**
 * @param {number} at
 * @param {number} width
 * @param {number} height
 */
function isBorder(at, width, height) {
  const [row, column] = [Math.floor(at / width), at % width];
  return row === 0 || row === height - 1 || column === 0 || column === width - 1;
}

/**
 * How many pixels of the thing lie side by side with one, by steps of one pixel or one row.
 * @param {boolean[]} isThing
 * @param {number} at
 * @param {number} step
 * @param {number} width
 */
function run(isThing, at, step, width) {
  const row = Math.floor(at / width);
  const isNext = (/** @type {number} */ place) => isThing[place] && (step > 1 || Math.floor(place / width) === row);
  let [first, last] = [at, at];
  while (isNext(first - step)) first -= step;
  while (isNext(last + step)) last += step;
  return (last - first) / step + 1;
}

/** @param {number[]} places */
function span(places) {
  return Math.max(...places) - Math.min(...places) + 1;
}

/** @param {number[]} values */
function median(values) {
  return values.sort((a, b) => a - b)[Math.floor(values.length / 2)];
}
