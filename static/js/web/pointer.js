/** Changes that wait for a press to end: what moves between pointerdown and pointerup loses its click. */

let isDown = false;
/** @type {(() => void)[]} */
let waiting = [];

function released() {
  isDown = false;
  // The click follows in the same task.
  setTimeout(() => {
    const works = waiting;
    waiting = [];
    for (const work of works) work();
  });
}

document.addEventListener("pointerdown", () => (isDown = true), true);
for (const end of ["pointerup", "pointercancel"]) document.addEventListener(end, released, true);

/**
 * Run what moves the page: at once, or after the click that is being made.
 * @param {() => void} work
 */
export function afterPress(work) {
  if (isDown) waiting.push(work);
  else work();
}

/** Until no press is being made. */
export function noPress() {
  return /** @type {Promise<void>} */ (new Promise((resolve) => afterPress(resolve)));
}
