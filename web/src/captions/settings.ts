// How somebody likes captions to look; kept in their browser.
import { Preference } from "../preference.js";

export const switches = ["on", "off"] as const;
export const sizes = ["small", "medium", "large", "huge"] as const;
export const contrasts = ["soft", "strong", "page"] as const;
export const positions = ["bottom", "top", "below"] as const;
export type Position = (typeof positions)[number];

/** Whether words stand over the picture. */
export const shown = new Preference<(typeof switches)[number]>("lectern.captions", switches, "on");
export const size = new Preference<(typeof sizes)[number]>("lectern.captions.size", sizes, "medium");
/** White on a veil, white on black, or as the page reads: paper under ink. */
export const contrast = new Preference<(typeof contrasts)[number]>(
  "lectern.captions.contrast",
  contrasts,
  "soft",
);
/** Over the picture's lower or upper edge, or below it, where they hide nothing. */
export const position = new Preference<Position>("lectern.captions.position", positions, "bottom");
/** Whether screen readers say what became final. Off by default: most who use one hear who speaks. */
export const spoken = new Preference<(typeof switches)[number]>("lectern.captions.spoken", switches, "off");
