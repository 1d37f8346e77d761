/** "Did you mean": the known words nearest to what was typed. Pure. */

const WORD_LENGTH_MAX = 64;

/** Edits (insert, delete, replace, swap of neighbours) between two words. */
export function distance(a: string, b: string): number {
  let before: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let row = 1; row <= a.length; row++) {
    const next = [row];
    for (let column = 1; column <= b.length; column++) {
      const same = a[row - 1] === b[column - 1];
      let edits = Math.min(
        (last[column] ?? 0) + 1,
        (next[column - 1] ?? 0) + 1,
        (last[column - 1] ?? 0) + (same ? 0 : 1),
      );
      if (row > 1 && column > 1 && a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1]) {
        edits = Math.min(edits, (before[column - 2] ?? 0) + 1);
      }
      next.push(edits);
    }
    before = last;
    last = next;
  }
  return last[b.length] ?? 0;
}

/** At most three of the known words, nearest first; none when nothing is near. */
export function nearest(word: string, known: readonly string[]): string[] {
  if (word === "" || word.length > WORD_LENGTH_MAX) return [];
  const limit = Math.max(1, Math.floor(word.length / 3));
  return known
    .map((candidate) => ({
      candidate,
      edits: candidate.startsWith(word) ? 0.5 : distance(word.toLowerCase(), candidate),
    }))
    .filter(({ edits }) => edits <= limit)
    .sort((a, b) => a.edits - b.edits)
    .slice(0, 3)
    .map(({ candidate }) => candidate);
}
