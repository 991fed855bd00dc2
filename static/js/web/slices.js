/** Long work of a page, in short slices: it goes on answering meanwhile. */

/** @typedef {{signal: AbortSignal, tell: (done: number, all: number) => void}} Watch
    who waits for the work: may end it, and is told after each slice how far it is */

const SLICE_MS = 50;

/**
 * Do something with each of many things, until all are done or nobody waits for it any more.
 * @template Thing
 * @param {Thing[]} things
 * @param {(thing: Thing) => void} act
 * @param {Watch} watch
 */
export async function inSlices(things, act, { signal, tell }) {
  let began = performance.now();
  for (const [place, thing] of things.entries()) {
    if (performance.now() - began > SLICE_MS) {
      tell(place, things.length);
      await new Promise((resolve) => setTimeout(resolve));
      if (signal.aborted) return;
      began = performance.now();
    }
    act(thing);
  }
}
