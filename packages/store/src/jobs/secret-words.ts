/** Which words of a program are nobody's business. Pure. */

/** Names of options whose values are nobody's business: commits are pushed. */
const SECRET = /key|token|secret|passw|credential/i;

export function isSecretName(name: string): boolean {
  return SECRET.test(name);
}

/** A word of a program, or `***` where it is the value of such an option. */
export function hideSecret(word: string, at: number, argv: readonly string[]): string {
  const equals = word.indexOf("=");
  if (equals > 0 && isSecretName(word.slice(0, equals))) return `${word.slice(0, equals)}=***`;
  const before = argv[at - 1] ?? "";
  const isValue = before.startsWith("--") && !before.includes("=") && !word.startsWith("--");
  return isValue && isSecretName(before) ? "***" : word;
}
