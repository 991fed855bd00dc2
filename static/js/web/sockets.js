/** The live connection: one Socket.IO client a namespace, rooms joined again after every loss. */

import { all } from "./dom.js";
import { LOGIN_NEEDED, hideLoginEnded, showLoginEnded } from "./login_ended.js";

/**
 * What a message is about: `Update` of digits/jobs/signals.py.
 * @typedef {"status" | "progress" | "added" | "deleted" | "attribute"} OfJob
 * @typedef {"status" | "progress" | "count" | "distribution" | "combined_graph" | "lr_graph" | "snapshots" | "pace" | "log"} OfTask
 * @typedef {{job_id: string, update: OfJob, [key: string]: any}} JobUpdate
 * @typedef {{job_id: string, task: string, update: OfTask, [key: string]: any}} TaskUpdate
 * @typedef {{data?: {code?: number}, description?: unknown, context?: {responseText?: string}}} ConnectError
 */

/**
 * Listen in a namespace for as long as the page is open.
 *
 * `caughtUp` is called each time that the connection stands and messages will arrive: what happened
 * before was missed, so the page should fetch its present state then.
 * @param {"/home" | "/jobs"} namespace
 * @param {object} handlers
 * @param {string} [handlers.room] a job's id
 * @param {() => void} handlers.caughtUp
 * @param {(update: JobUpdate) => void} handlers.jobUpdate
 * @param {(update: TaskUpdate) => void} [handlers.taskUpdate]
 * @param {Record<string, (data: any) => void>} [handlers.more] other messages, by name
 */
export function listen(namespace, { room, caughtUp, jobUpdate, taskUpdate, more = {} }) {
  const path = `${document.body.dataset.root ?? ""}/socket.io`;
  const socket = window.io(namespace, { path, reconnectionDelayMax: 3000 });
  socket.on("connect", () => {
    showConnection(true);
    hideLoginEnded();
    if (room === undefined) caughtUp();
    else socket.emit("join", { room }, caughtUp);
  });
  const loginEnded = () => showLoginEnded(() => socket.connect());
  socket.on("login ended", loginEnded);
  socket.on("disconnect", () => showConnection(false));
  socket.on("connect_error", (/** @type {ConnectError} */ error) => {
    showConnection(false);
    if (error.data?.code === LOGIN_NEEDED || isStranger(error)) loginEnded();
  });
  socket.on("job update", jobUpdate);
  if (taskUpdate) socket.on("task update", taskUpdate);
  for (const [name, handler] of Object.entries(more)) socket.on(name, handler);
}

/**
 * Whether the handshake itself was refused for want of a login; too many connections are refused
 * with the same code.
 * @param {ConnectError} error
 */
function isStranger({ description, context }) {
  return description === LOGIN_NEEDED && (context?.responseText ?? "").includes("Log in");
}

/** @param {boolean} stands */
function showConnection(stands) {
  for (const sign of all("[data-connection]")) sign.hidden = stands;
}
