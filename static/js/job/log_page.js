/** The page of a task's log: the viewer, told when the task starts or ends. */

import { need } from "../web/dom.js";
import { LogViewer } from "./log_viewer.js";
import { refresh } from "../web/refresh.js";
import { listen } from "../web/sockets.js";

const panel = need("[data-log]");
const viewer = new LogViewer(panel);
viewer.begin(location.hash === "#error");

listen("/jobs", {
  room: need("[data-job-page]").dataset.jobPage ?? "",
  caughtUp: () => {
    refresh();
    viewer.lookForMore();
  },
  jobUpdate: (update) => {
    if (update.update === "deleted") need("[data-gone]").hidden = false;
  },
  taskUpdate: (update) => {
    if (update.task !== panel.dataset.logTask || update.update !== "status") return;
    refresh();
    viewer.lookForMore();
  },
});
