// What keys do in a room. Pure.

export type Deed =
  | "microphone"
  | "camera"
  | "screen"
  | "hand"
  | "captions"
  | "chat"
  | "transcript"
  | "people"
  | "layout"
  | "help";

/** One letter each, without modifiers, as the list in the room shows them. */
export const keys: readonly (readonly [key: string, deed: Deed])[] = [
  ["m", "microphone"],
  ["v", "camera"],
  ["s", "screen"],
  ["h", "hand"],
  ["c", "captions"],
  ["t", "chat"],
  ["r", "transcript"],
  ["p", "people"],
  ["g", "layout"],
  ["?", "help"],
];

export interface Press {
  readonly key: string;
  readonly ctrlKey: boolean;
  readonly metaKey: boolean;
  readonly altKey: boolean;
  readonly repeat: boolean;
  /** Whether the key belongs to what has the focus: a text, a list. */
  readonly isTyped: boolean;
}

/** What a key does; null where it is not for us. */
export function deedOf({ key, ctrlKey, metaKey, altKey, repeat, isTyped }: Press): Deed | null {
  if (ctrlKey || metaKey || altKey || repeat || isTyped) return null;
  return keys.find(([one]) => one === key.toLowerCase())?.[1] ?? null;
}

/** Whether keys pressed here write something, or choose from a list. */
export function isTypedInto(target: EventTarget | null): boolean {
  return (
    target instanceof HTMLElement &&
    target.closest("input, textarea, select, [contenteditable], dialog") !== null
  );
}
