/** What was typed into a form is there again after the way back from an error page.

    Browsers do this by themselves for most fields, but not for those without autocompletion, nor for
    pages that they may not keep. Files are never kept. */

/** @param {HTMLFormElement} form */
export function keepWhatIsTyped(form) {
  const key = `digits-form ${location.pathname}`;
  if (cameBack()) fill(form, stored(key));
  form.addEventListener("submit", () => store(key, valuesOf(form)));
}

/** Whether the browser's history led here. */
function cameBack() {
  const [navigation] = performance.getEntriesByType("navigation");
  return /** @type {PerformanceNavigationTiming} */ (navigation)?.type === "back_forward";
}

/**
 * @param {HTMLFormElement} form
 * @returns {[string, string][]} as they would be sent
 */
function valuesOf(form) {
  return /** @type {[string, string][]} */ (
    [...new FormData(form)].filter(([name, value]) => name !== "csrf_token" && typeof value === "string")
  );
}

/**
 * @param {HTMLFormElement} form
 * @param {[string, string][]} values
 */
function fill(form, values) {
  if (values.length === 0) return;
  for (const field of /** @type {Iterable<HTMLInputElement>} */ (form.elements)) {
    if (["", "csrf_token"].includes(field.name) || ["file", "submit"].includes(field.type)) continue;
    const given = values.filter(([name]) => name === field.name).map(([, value]) => value);
    if (field.type === "checkbox" || field.type === "radio") field.checked = given.includes(field.value);
    else if (field instanceof HTMLSelectElement && field.multiple) {
      for (const option of field.options) option.selected = given.includes(option.value);
    } else if (given.length) [field.value] = given;
  }
}

/**
 * @param {string} key
 * @returns {[string, string][]}
 */
function stored(key) {
  try {
    return JSON.parse(sessionStorage.getItem(key) ?? "[]");
  } catch {
    return [];
  }
}

/**
 * @param {string} key
 * @param {[string, string][]} values
 */
function store(key, values) {
  try {
    sessionStorage.setItem(key, JSON.stringify(values));
  } catch {
    // storage is switched off or full: the browser's own memory has to do
  }
}
