/** Text from outside, made fit to print on a terminal or in a log. Safe in a browser. */

const LENGTH_MAX = 4096;
// C0, DEL, C1, soft hyphen, Arabic letter mark, Mongolian separators, zero-width, bidi, line separators, BOM, tags.
const HIDDEN =
  // oxlint-disable-next-line no-control-regex
  /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u180b-\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]|[\u{e0000}-\u{e007f}]|\p{Surrogate}/gu;

/**
 * Replaces control, bidirectional, zero-width and lone surrogate characters by visible escapes,
 * and cuts after `lengthMax` characters. `lines` keeps line feeds and tabs.
 */
export function show(text: string, lengthMax = LENGTH_MAX, lines = false): string {
  const cut = text.length > lengthMax ? `${text.slice(0, lengthMax)}…` : text;
  return cut.replace(HIDDEN, (character) => {
    if (lines && (character === "\n" || character === "\t")) return character;
    const point = character.codePointAt(0) ?? 0;
    return point < 0x100 ? `\\x${point.toString(16).padStart(2, "0")}` : `\\u{${point.toString(16)}}`;
  });
}

/** True when `show` would change the text. */
export function isHidden(text: string): boolean {
  HIDDEN.lastIndex = 0;
  return HIDDEN.test(text);
}
