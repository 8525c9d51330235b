// Which rows of a long list are there.

/** A list with more rows is a long one. */
export const LONG = 60;

/** So many rows are there before and behind those that can be seen: the next ones, when one scrolls or goes on with a key. */
const AROUND = 10;

/** The rows that are there, when the list's begin is `above` pixels above a box of this height. */
export function rowsInView(count: number, rowHeight: number, above: number, height: number): { from: number; to: number } {
  const first = Math.floor(above / rowHeight) - AROUND;
  const last = Math.ceil((above + height) / rowHeight) + AROUND;
  const from = Math.min(Math.max(first, 0), count);
  return { from, to: Math.max(Math.min(last, count), from) };
}
