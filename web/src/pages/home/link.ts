// Codes of rooms, and the links that lead to them.

/** Where guests come in. */
export function joinPath(code: string): string {
  return `/join/${encodeURIComponent(code)}`;
}

/** The code in what somebody typed or pasted: a code, or any link that ends in one. Null if there is none. */
export function codeIn(text: string): string | null {
  const last =
    text
      .trim()
      .toLowerCase()
      .replace(/[?#].*$/, "")
      .replace(/\/+$/, "")
      .split("/")
      .at(-1) ?? "";
  // Spoken codes come without their hyphens, or with spaces.
  const letters = last.replace(/[\s-]+/g, "");
  return /^[a-z]{10}$/.test(letters)
    ? `${letters.slice(0, 3)}-${letters.slice(3, 7)}-${letters.slice(7)}`
    : null;
}
