/** Pointer files of Git LFS: https://github.com/git-lfs/git-lfs/blob/main/docs/spec.md. Pure. */

/** Larger files are no pointers, says the specification. */
export const POINTER_BYTES_MAX = 1024;

export interface LfsPointer {
  readonly sha256: string;
  readonly sizeBytes: number;
  /** Lines `ext-…`: what is stored was changed by a program. */
  readonly hasExtensions: boolean;
}

/** Undefined for a file that is no pointer. */
export function parsePointer(bytes: Buffer): LfsPointer | undefined {
  if (bytes.length > POINTER_BYTES_MAX) return undefined;
  const text = bytes.toString("utf8");
  if (!/^version https:\/\/(?:git-lfs\.github\.com|hawser\.github\.com)\/spec\/v1\n/.test(text))
    return undefined;
  const sha256 = /^oid sha256:([0-9a-f]{64})$/m.exec(text)?.[1];
  const size = /^size (\d{1,15})$/m.exec(text)?.[1];
  if (sha256 === undefined || size === undefined) return undefined;
  return { sha256, sizeBytes: Number(size), hasExtensions: /^ext-\d+-/m.test(text) };
}
