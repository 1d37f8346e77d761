/** The MD5 that DVC before 3.0 gave to text: of its lines with line feeds only. */
import { createHash } from "node:crypto";
import { readSteady } from "../backup/digests.ts";
import type { Call } from "../call.ts";

const CR = 0x0d;
const LF = 0x0a;

/** Throws FILE_CHANGED, IO_FAILED. */
export async function legacyTextMd5(path: string, call: Call): Promise<string> {
  const hash = createHash("md5");
  let isAfterCr = false;
  for await (const piece of readSteady(path, call)) {
    const out: Uint8Array[] = [];
    let from = 0;
    if (isAfterCr && piece[0] !== LF) out.push(Uint8Array.of(CR));
    for (let at = piece.indexOf(CR); at >= 0; at = piece.indexOf(CR, at + 1)) {
      if (at + 1 < piece.length && piece[at + 1] !== LF) continue;
      out.push(piece.subarray(from, at));
      from = at + 1;
    }
    out.push(piece.subarray(from));
    isAfterCr = piece.at(-1) === CR;
    for (const part of out) hash.update(part);
  }
  if (isAfterCr) hash.update(Uint8Array.of(CR));
  return hash.digest("hex");
}
