// A colour for everybody who speaks: the same on every page and every screen.

/** How many colours there are: `--speaker-0` and on, in style/tokens.css. */
export const SPEAKER_COLOURS = 8;

/** The CSS colour of who has this identity. */
export function speakerColour(identity: string): string {
  return `var(--speaker-${hash(identity) % SPEAKER_COLOURS})`;
}

/** FNV-1a: short, and the same everywhere. */
function hash(text: string): number {
  let value = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(text)) {
    value = Math.imul(value ^ byte, 0x01000193) >>> 0;
  }
  return value;
}

/** One or two letters for a name: "Ada Lovelace" is AL. */
export function initials(name: string): string {
  const words = name.trim().split(/\s+/u);
  const letters = [words[0], words.length > 1 ? words.at(-1) : undefined].map((word) => [...(word ?? "")][0]);
  return letters.join("").toUpperCase();
}
