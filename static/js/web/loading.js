/** The server still reads its jobs: look again until it is ready, and show how far it is. */

const EVERY_MS = 1500;

async function look() {
  try {
    const response = await fetch(location.href, { headers: { Accept: "text/html" } });
    if (response.status !== 503) {
      location.reload();
      return;
    }
    const fresh = new DOMParser().parseFromString(await response.text(), "text/html");
    const [shown, next] = [document, fresh].map((page) => page.querySelector("[data-error-message]"));
    if (shown && next) shown.textContent = next.textContent;
  } catch {
    // Not reached: it may be on its way down or up.
  }
  setTimeout(look, EVERY_MS);
}

setTimeout(look, EVERY_MS);
