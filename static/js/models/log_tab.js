/** The tab with the training's log: the viewer of the log's own page, fetched when the tab is first shown. */

import { need } from "../web/dom.js";
import { request } from "../web/http.js";
import { withErrorsShown } from "../web/toasts.js";

/** @type {Promise<import("../job/log_viewer.js").LogViewer> | undefined} */
let opened;

/** Show the log, and what has been added to it since. */
export function showLog() {
  withErrorsShown(async () => {
    opened ??= open();
    try {
      await (await opened).lookForMore();
    } catch (error) {
      opened = undefined; // another try when the tab is shown again
      throw error;
    }
  }, need("[data-log-place], [data-log]"));
}

async function open() {
  const place = need("[data-log-place]");
  const [{ LogViewer }, answer] = await Promise.all([
    import("../job/log_viewer.js"),
    request(place.dataset.logPage ?? "", { headers: { Accept: "text/html" } }),
  ]);
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const panel = need("[data-log]", page);
  place.replaceWith(panel);
  const viewer = new LogViewer(panel);
  await viewer.begin(location.hash === "#error");
  return viewer;
}
