import { pieces, type Match } from "../text/marked.js";

/** A text in which what was looked for is marked. */
export function Marked({ text, matches }: { text: string; matches: readonly Match[] }) {
  return pieces(text, matches).map((piece, index) =>
    piece.isMatch ? <mark key={index}>{piece.text}</mark> : <span key={index}>{piece.text}</span>,
  );
}
