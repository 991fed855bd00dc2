/** The search in the guides: which sections have all words that are asked for, the best first.

    A word of a section counts when it is the word asked for, or begins with it. Accents and capitals
    make no difference; `learning_rate` is two words. */

/**
 * @typedef {{title: string, address: string, sections: [string, string, string][]}} Page a guide:
 *   its sections are heading, id, text
 * @typedef {{title: string, heading: string, address: string, text: string}} Place
 * @typedef {Place & {words: Set<string>, named: Set<string>, order: number}} Entry a place with all its
 *   words, and those of its heading
 */

const WORD = /[\p{L}\p{N}]+/gu;
/** How much a word counts by where it stands: whole in the heading, begun there, whole in the text, begun there. */
const WEIGHTS = { heading: 12, headingBegins: 8, text: 3, textBegins: 1 };
const EXCERPT = { before: 60, after: 130 };

/**
 * @param {string} text
 * @returns {string} in small letters without accents
 */
export function folded(text) {
  return text.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase();
}

/**
 * @param {string} text
 * @returns {string[]}
 */
export function wordsOf(text) {
  return folded(text).match(WORD) ?? [];
}

/**
 * Everything that can be found, with its words.
 * @param {Page[]} pages
 * @returns {Entry[]}
 */
export function entriesOf(pages) {
  const entries = pages.flatMap(({ title, address, sections }) =>
    sections.map(([heading, id, text], number) => ({
      title,
      heading,
      // The first section is the page itself.
      address: number === 0 ? address : `${address}#${id}`,
      text,
      named: new Set(wordsOf(heading)),
      words: new Set(wordsOf(`${title} ${heading} ${text}`)),
    })),
  );
  return entries.map((entry, order) => ({ ...entry, order }));
}

/**
 * The entries that have every word of the query, the best first.
 * @param {Entry[]} entries
 * @param {string} query
 * @returns {Entry[]}
 */
export function found(entries, query) {
  const asked = wordsOf(query);
  if (asked.length === 0) return [];
  return entries
    .map((entry) => ({ entry, score: scoreOf(entry, asked) }))
    .filter(({ score }) => score > 0)
    .sort((one, other) => other.score - one.score || one.entry.order - other.entry.order)
    .map(({ entry }) => entry);
}

/**
 * @param {Entry} entry
 * @param {string[]} asked
 * @returns {number} 0 where a word is missing
 */
function scoreOf(entry, asked) {
  let score = 0;
  for (const word of asked) {
    const points =
      pointsIn(entry.named, word, WEIGHTS.heading, WEIGHTS.headingBegins) ||
      pointsIn(entry.words, word, WEIGHTS.text, WEIGHTS.textBegins);
    if (points === 0) return 0;
    score += points;
  }
  // A heading of nothing but the words asked for is what was meant.
  return score + (entry.named.size === asked.length ? 1 : 0);
}

/**
 * @param {Set<string>} words
 * @param {string} asked
 * @param {number} whole
 * @param {number} begun
 */
function pointsIn(words, asked, whole, begun) {
  if (words.has(asked)) return whole;
  for (const word of words) if (word.startsWith(asked)) return begun;
  return 0;
}

/**
 * The part of a text in which the words asked for stand, cut at spaces.
 * @param {string} text
 * @param {string} query
 * @returns {{text: string, isHit: boolean}[]} its pieces: hits are the words asked for
 */
export function excerptOf(text, query) {
  const asked = wordsOf(query);
  const hits = [...text.matchAll(WORD)].filter(([word]) => asked.some((begin) => folded(word).startsWith(begin)));
  const [from, to] = rangeAround(text, bestPlace(hits, asked));
  const pieces = [{ text: from > 0 ? "… " : "", isHit: false }];
  let end = from;
  for (const { 0: word, index } of hits.filter((hit) => hit.index >= from && hit.index + hit[0].length <= to)) {
    pieces.push({ text: text.slice(end, index), isHit: false }, { text: word, isHit: true });
    end = index + word.length;
  }
  pieces.push({ text: text.slice(end, to) + (to < text.length ? " …" : ""), isHit: false });
  return pieces.filter((piece) => piece.text);
}

/**
 * @param {RegExpExecArray[]} hits in the order of the text
 * @param {string[]} asked
 * @returns {number} where the hit stands that is followed closely by the most of the words asked for
 */
function bestPlace(hits, asked) {
  let [best, most] = [0, 0];
  hits.forEach(({ index }, first) => {
    const near = hits.slice(first).filter((hit) => hit.index < index + EXCERPT.after);
    const count = asked.filter((begin) => near.some(([word]) => folded(word).startsWith(begin))).length;
    if (count > most) [best, most] = [index, count];
  });
  return best;
}

/**
 * @param {string} text
 * @param {number} place
 * @returns {[number, number]} where the words around a place begin and end
 */
function rangeAround(text, place) {
  const wanted = Math.max(0, place - EXCERPT.before);
  const from = wanted === 0 ? 0 : text.indexOf(" ", wanted) + 1;
  const last = text.indexOf(" ", place + EXCERPT.after);
  return [from > place ? wanted : from, last < 0 ? text.length : last];
}
