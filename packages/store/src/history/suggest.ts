/** "Did you mean": the names nearest to what was typed. Pure. */

const LENGTH_MAX = 100;
const CANDIDATES_MAX = 10_000;

/** How many characters to add, drop or change; `limit + 1` as soon as it is more than `limit`. */
function distance(a: string, b: string, limit: number): number {
  if (Math.abs(a.length - b.length) > limit) return limit + 1;
  let previous = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let row = 1; row <= a.length; row += 1) {
    const current = [row];
    for (let column = 1; column <= b.length; column += 1) {
      const change = (previous[column - 1] ?? 0) + (a[row - 1] === b[column - 1] ? 0 : 1);
      current.push(Math.min(change, (previous[column] ?? 0) + 1, (current[column - 1] ?? 0) + 1));
    }
    if (Math.min(...current) > limit) return limit + 1;
    previous = current;
  }
  return previous[b.length] ?? 0;
}

/** At most `limit` of the candidates that look like `text`, nearest first. Compares the first 10,000 only. */
export function suggest(text: string, candidates: Iterable<string>, limit = 5): string[] {
  if (text === "" || text.length > LENGTH_MAX) return [];
  const wanted = text.toLowerCase();
  // Two swapped letters are two changes.
  const furthest = wanted.length < 4 ? 1 : Math.max(2, Math.floor(wanted.length / 3));
  const found: { name: string; far: number }[] = [];
  let count = 0;
  for (const name of candidates) {
    if ((count += 1) > CANDIDATES_MAX) break;
    const folded = name.toLowerCase();
    const starts = wanted.length > 1 && folded.startsWith(wanted);
    const far = starts ? 1 : distance(wanted, folded, furthest);
    if (far <= furthest) found.push({ name, far });
  }
  found.sort((a, b) => a.far - b.far || (a.name < b.name ? -1 : 1));
  return [...new Set(found.map((row) => row.name))].slice(0, limit);
}
