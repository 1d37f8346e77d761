/** Patterns for names that people type. */

/** `*` stands for any characters, `/` too, `?` for one. Takes time of at most the product of both lengths. */
export function matchesPattern(pattern: string, path: string): boolean {
  let at = 0;
  let star = -1;
  let resume = 0;
  for (let position = 0; position < path.length;) {
    const expected = pattern[at];
    if (expected === "*") {
      star = at;
      resume = position;
      at += 1;
    } else if (expected !== undefined && (expected === "?" || expected === path[position])) {
      at += 1;
      position += 1;
    } else if (star >= 0) {
      resume += 1;
      position = resume;
      at = star + 1;
    } else return false;
  }
  while (pattern[at] === "*") at += 1;
  return at === pattern.length;
}
