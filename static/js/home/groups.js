/** Groups of jobs in the home page's lists: folded and unfolded, selected together, named. */

import { all, element } from "../web/dom.js";
import { askForText } from "../web/dialogs.js";
import { send } from "../web/http.js";
import { refresh } from "../web/refresh.js";
import { toast } from "../web/toasts.js";

const KEPT = "digits-folded-groups";
const LONGEST_NAME = 500;

/**
 * Give each group's head a button that folds it, and fold those that the reader has folded.
 * @param {ParentNode} root
 */
export function foldGroups(root) {
  const folded = foldedGroups();
  for (const group of all("tbody[data-group]", root)) {
    const name = group.querySelector(".group-name");
    const key = keyOf(group);
    if (!name) continue;
    const button = element("button", { type: "button", class: "group-fold", id: `fold-${key}` }, name.textContent ?? "");
    button.addEventListener("click", () => fold(group, button, !group.classList.contains("group-folded")));
    name.replaceChildren(button);
    show(group, button, folded.has(key));
  }
}

/**
 * @param {HTMLElement} group
 * @param {HTMLElement} button
 * @param {boolean} isFolded
 */
function fold(group, button, isFolded) {
  const folded = foldedGroups();
  if (isFolded) folded.add(keyOf(group));
  else folded.delete(keyOf(group));
  try {
    localStorage.setItem(KEPT, JSON.stringify([...folded]));
  } catch {
    // Forbidden in this browser: it is folded until the page is left.
  }
  show(group, button, isFolded);
}

/**
 * @param {HTMLElement} group
 * @param {HTMLElement} button
 * @param {boolean} isFolded
 */
function show(group, button, isFolded) {
  group.classList.toggle("group-folded", isFolded);
  button.setAttribute("aria-expanded", String(!isFolded));
}

/** @param {HTMLElement} group its list and its name */
function keyOf(group) {
  return `${group.closest("[data-live]")?.id ?? ""}/${group.dataset.group ?? ""}`;
}

/** @returns {Set<string>} */
function foldedGroups() {
  try {
    const kept = JSON.parse(localStorage.getItem(KEPT) ?? "[]");
    return new Set(Array.isArray(kept) ? kept.map(String) : []);
  } catch {
    return new Set();
  }
}

/**
 * Ask for a group's name and put the jobs into it.
 * @param {string} url
 * @param {HTMLInputElement[]} boxes those of the jobs
 */
export async function putIntoGroup(url, boxes) {
  const known = new Set(all("[data-group]").map((place) => place.dataset.group ?? ""));
  known.delete("");
  const name = await askForText({
    title: `Group ${jobs(boxes.length)}`,
    label: "Name of the group",
    value: boxes.find((box) => box.dataset.group)?.dataset.group ?? "",
    choices: [...known].sort(),
    longest: LONGEST_NAME,
    yes: "Group",
  });
  if (name === null) return;
  await setGroup(url, boxes, name);
  toast(`${jobs(boxes.length)} put into the group ${name}.`);
}

/**
 * @param {string} url
 * @param {HTMLInputElement[]} boxes
 */
export async function takeOutOfGroup(url, boxes) {
  await setGroup(url, boxes, "");
  toast(`${jobs(boxes.length)} taken out of ${boxes.length === 1 ? "its group" : "their groups"}.`);
}

/**
 * @param {string} url
 * @param {HTMLInputElement[]} boxes
 * @param {string} name
 */
async function setGroup(url, boxes, name) {
  const ids = boxes.map((box) => ["job_ids[]", box.value]);
  await send(url, new URLSearchParams([...ids, ["group_name", name]]));
  await refresh();
}

/** @param {number} count */
function jobs(count) {
  return `${count} job${count === 1 ? "" : "s"}`;
}
