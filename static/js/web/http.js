/** Requests to the server, with its error messages as errors fit for the user. */

export class RequestFailed extends Error {
  /**
   * @param {string} message
   * @param {number} code the HTTP status; 0 when the server was not reached
   * @param {number} [retryAfter_s] when the server says to try again; 0 when it does not
   * @param {Fields | null} [fields] the messages of a refused form, by field
   */
  constructor(message, code, retryAfter_s = 0, fields = null) {
    super(message);
    this.code = code;
    this.retryAfter_s = retryAfter_s;
    this.fields = fields;
  }
}

/** @typedef {Record<string, string[]>} Fields */

/**
 * What an error says, a line each.
 * @param {unknown} error
 * @returns {string[]}
 */
export function messagesOf(error) {
  if (error instanceof RequestFailed && error.fields) return Object.values(error.fields).flat();
  return [error instanceof Error ? error.message : String(error)];
}

/**
 * Send a request and give its successful answer.
 * @param {string} url
 * @param {RequestInit} [options]
 * @returns {Promise<Response>}
 * @throws {RequestFailed} with the server's own message
 */
export async function request(url, options = {}) {
  let response;
  try {
    response = await fetch(url, options);
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw new RequestFailed("The server cannot be reached. Is it still running?", 0);
  }
  if (!response.ok) {
    const retryAfter_s = Number(response.headers.get("Retry-After")) || 0;
    const { message, fields } = await errorOf(response);
    throw new RequestFailed(message, response.status, retryAfter_s, fields);
  }
  return response;
}

/**
 * Send a form and ask for JSON: errors then come as JSON too, whatever success answers.
 * @param {string} url
 * @param {FormData | URLSearchParams} [body]
 * @param {string} [method]
 * @param {AbortSignal} [signal]
 * @returns {Promise<Response>}
 */
export function send(url, body, method = "POST", signal = undefined) {
  return request(url, { method, body, signal, headers: { Accept: "application/json" } });
}

/**
 * What a failed response says; of a refused form also by field.
 * @param {Response} response
 * @returns {Promise<{message: string, fields: Fields | null}>}
 */
async function errorOf(response) {
  const text = await response.text();
  const kind = response.headers.get("Content-Type") ?? "";
  if (kind.startsWith("application/json")) return jsonError(JSON.parse(text));
  const plain = { message: text || `Error ${response.status}`, fields: null };
  if (!kind.startsWith("text/html")) return plain;
  const shown = new DOMParser().parseFromString(text, "text/html").querySelector("[data-error-message]");
  const fields = shown instanceof HTMLElement && shown.dataset.errorFields;
  return {
    message: shown ? sentencesOf(shown) : `Error ${response.status}`,
    fields: fields ? JSON.parse(fields) : null,
  };
}

/**
 * The lines of a list one after the other, which its text has without anything between them.
 * @param {Element} shown
 */
function sentencesOf(shown) {
  const lines = [...shown.querySelectorAll("li")];
  return (lines.length ? lines : [shown]).map((line) => line.textContent?.trim() ?? "").join(" ");
}

/**
 * Of `{"error": {"message"}}`, `{"error": "..."}` or `{"errors": {field: [...]}}`.
 * @param {any} answer
 */
function jsonError(answer) {
  if (answer.errors) return { message: Object.values(answer.errors).flat().join(" "), fields: answer.errors };
  return { message: answer.error?.message ?? answer.error ?? "The server refused this.", fields: null };
}
