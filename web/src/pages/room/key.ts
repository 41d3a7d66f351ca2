// Keys for what has no id of the service's yet.
let last = 0;

/** Used by nobody else in this page; browsers have `crypto.randomUUID` on secure pages alone. */
export function newKey(): string {
  last += 1;
  return `own-${last}`;
}
