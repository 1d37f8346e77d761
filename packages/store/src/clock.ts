/** Milliseconds since 1970. What is on disk knows no earlier moment: a clock that is set before it counts as 1970. */
export function nowMs(): number {
  return Math.max(0, Date.now());
}
