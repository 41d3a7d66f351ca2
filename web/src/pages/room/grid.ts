// How many columns make the largest pictures.

/** Wide pictures, as cameras make them. */
const ASPECT = 16 / 9;

/** The columns of a grid of so many pictures in a place of that size, in pixels. */
export function columnsFor(count: number, width: number, height: number): number {
  let best = { columns: 1, picture: 0 };
  for (let columns = 1; columns <= count; columns += 1) {
    const rows = Math.ceil(count / columns);
    const picture = Math.min(width / columns, (height / rows) * ASPECT);
    if (picture > best.picture) best = { columns, picture };
  }
  return best.columns;
}
