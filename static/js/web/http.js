/** Requests to the server, with its error messages as errors fit for the user. */

export class RequestFailed extends Error {
  /**
   * @param {string} message
   * @param {number} code the HTTP status; 0 when the server was not reached
   * @param {number} [retryAfter_s] when the server says to try again; 0 when it does not
   */
  constructor(message, code, retryAfter_s = 0) {
    super(message);
    this.code = code;
    this.retryAfter_s = retryAfter_s;
  }
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
    throw new RequestFailed(await errorMessage(response), response.status, retryAfter_s);
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
 * @param {Response} response
 * @returns {Promise<string>}
 */
async function errorMessage(response) {
  const text = await response.text();
  const kind = response.headers.get("Content-Type") ?? "";
  if (kind.startsWith("application/json")) return jsonMessage(JSON.parse(text));
  if (kind.startsWith("text/html")) {
    const page = new DOMParser().parseFromString(text, "text/html");
    return page.querySelector("[data-error-message]")?.textContent ?? `Error ${response.status}`;
  }
  return text || `Error ${response.status}`;
}

/**
 * The words of `{"error": {"message"}}`, `{"error": "..."}` or `{"errors": {field: [...]}}`.
 * @param {any} answer
 * @returns {string}
 */
function jsonMessage(answer) {
  if (answer.errors) return Object.values(answer.errors).flat().join(" ");
  return answer.error?.message ?? answer.error ?? "The server refused this.";
}
