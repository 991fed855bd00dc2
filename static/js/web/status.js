/** Status badges. */

/**
 * @param {Element | null | undefined} badge
 * @param {string} status
 * @param {string} css the status' colour name
 */
export function showStatus(badge, status, css) {
  if (!badge) return;
  badge.textContent = status;
  badge.className = `status status-${css}`;
}
