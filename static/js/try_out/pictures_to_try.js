/** A dozen pictures of the dataset to click, others at another click; one stop for the keyboard, arrow keys inside. */

import { all } from "../web/dom.js";
import { request } from "../web/http.js";
import { withErrorsShown } from "../web/toasts.js";

/**
 * Show pictures in the form's place for them, once there is a snapshot to try.
 * @param {HTMLFormElement} form
 * @param {(record: {set: string, number: string}) => void} take
 */
export function offerPictures(form, take) {
  const place = /** @type {HTMLElement | null} */ (form.querySelector("[data-pictures-to-try]"));
  if (!place) return; // its dataset is not here
  let turn = 0;
  const show = async () => {
    const answer = await request(`${place.dataset.picturesToTry}&turn=${turn}`, { headers: { Accept: "text/html" } });
    const html = await answer.text();
    const hadFocus = place.contains(document.activeElement);
    place.innerHTML = html;
    place.hidden = !place.querySelector("button");
    form.dispatchEvent(new Event("digits:pictures-shown"));
    // Whoever has gone elsewhere meanwhile stays there.
    const button = /** @type {HTMLElement | null} */ (hadFocus && turn ? place.querySelector("[data-others]") : null);
    if (button) moveTo(place, button);
  };
  const showFirst = () => {
    if (!form.hidden && !place.childElementCount) show().catch(() => (place.hidden = true));
  };
  showFirst();
  new MutationObserver(showFirst).observe(form, { attributes: true, attributeFilter: ["hidden"] });
  place.addEventListener("click", (event) => {
    const pressed = event.target instanceof Element ? event.target.closest("button") : null;
    if (!pressed) return;
    if ("others" in pressed.dataset) return void withErrorsShown(() => ((turn += 1), show()));
    for (const other of all("[aria-pressed]", place)) other.removeAttribute("aria-pressed");
    pressed.setAttribute("aria-pressed", "true");
    moveTo(place, pressed);
    take({ set: pressed.dataset.set ?? "", number: pressed.dataset.number ?? "" });
  });
  place.addEventListener("keydown", (event) => move(place, event));
}

/**
 * As in every toolbar: arrows, Home and End go from one button to another.
 * @param {HTMLElement} place
 * @param {KeyboardEvent} event
 */
function move(place, event) {
  const buttons = all("button", place);
  const here = buttons.indexOf(/** @type {HTMLElement} */ (document.activeElement));
  const last = buttons.length - 1;
  const steps = { ArrowRight: here + 1, ArrowDown: here + 1, ArrowLeft: here - 1, ArrowUp: here - 1, Home: 0, End: last };
  const next = steps[/** @type {keyof typeof steps} */ (event.key)];
  if (here < 0 || next === undefined) return;
  event.preventDefault();
  moveTo(place, buttons[(next + buttons.length) % buttons.length]);
}

/**
 * @param {HTMLElement} place
 * @param {HTMLElement} button
 */
function moveTo(place, button) {
  for (const other of all("button", place)) other.tabIndex = other === button ? 0 : -1;
  button.focus();
}
