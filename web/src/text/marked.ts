// Where something that was looked for stands in a text.

/** A piece of a text, in UTF-16 code units: its first, and the one behind its last. */
export interface Match {
  start: number;
  end: number;
}

/** A text in pieces, in order, told apart by whether they were looked for. */
export function pieces(text: string, matches: readonly Match[]): { text: string; isMatch: boolean }[] {
  const parts: { text: string; isMatch: boolean }[] = [];
  let from = 0;
  for (const { start, end } of matches) {
    // Nothing is shown twice, whatever the matches are.
    if (start < from || end <= start || end > text.length) continue;
    if (start > from) parts.push({ text: text.slice(from, start), isMatch: false });
    parts.push({ text: text.slice(start, end), isMatch: true });
    from = end;
  }
  if (from < text.length) parts.push({ text: text.slice(from), isMatch: false });
  return parts;
}

/** Where any of the query's words stands in a text, whatever its case. */
export function matchesOf(text: string, query: string): Match[] {
  const words = query.trim().split(/\s+/u).filter(Boolean).slice(0, WORDS_MAX).map(escaped);
  if (words.length === 0) return [];
  const found = text.matchAll(new RegExp(words.join("|"), "giu"));
  return Array.from(found, (match) => ({ start: match.index, end: match.index + match[0].length }));
}

/** Whether each of the query's words stands in a text. */
export function hasAll(text: string, query: string): boolean {
  const words = query.trim().split(/\s+/u).filter(Boolean).slice(0, WORDS_MAX);
  return words.every((word) => matchesOf(text, word).length > 0);
}

/** As many as the service's own search takes. */
const WORDS_MAX = 16;

function escaped(word: string): string {
  return word.replace(/[.*+?^${}()|[\]\\/]/g, "\\$&");
}
