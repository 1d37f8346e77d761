/** Some tensors of stored files as a safetensors file of their own. The part that workers do. */
import { SmcError } from "../errors.ts";
import { parseTensors } from "../formats/formats.ts";
import type { ByteSource, TensorSpan } from "../formats/table.ts";
import { matchesPattern } from "../pattern.ts";
import type { Segment } from "./compose.ts";
import { namedTensors } from "./match.ts";
import { readMetadata } from "./safetensors-metadata.ts";
import { layoutSafetensors } from "./safetensors-layout.ts";

/** Tensors that one subset may have. */
export const SUBSET_TENSORS_MAX = 100_000;

/** A tensor that a pattern asks for, and where its bytes are. */
export interface MatchedTensor extends Pick<TensorSpan, "name" | "dtype" | "shape" | "offset" | "length"> {
  /** The other file that holds them, relative to the folder of the one that names it. */
  readonly file: string | undefined;
}

/** What the patterns ask of one file. */
export interface TensorMatch {
  readonly tensors: readonly MatchedTensor[];
  /** Other files that hold tensors with such names and say themselves where. */
  readonly indexed: readonly string[];
  /** Names of tensors that are compressed or cut inside of their file. */
  readonly scattered: readonly string[];
  readonly metadata: Readonly<Record<string, string>>;
}

/**
 * The tensors whose names match one of the patterns (`*` and `?`); undefined for a file of no known format. Throws
 * FILE_MALFORMED, LIMIT_EXCEEDED.
 */
export function matchTensors(
  source: ByteSource,
  { fileName, patterns }: { readonly fileName: string; readonly patterns: readonly string[] },
): TensorMatch | undefined {
  const table = parseTensors(source, fileName);
  if (table === undefined) return undefined;
  const tensors: MatchedTensor[] = [];
  const indexed = new Set<string>();
  const scattered: string[] = [];
  for (const { name, dtype, shape, place, file } of namedTensors(table)) {
    if (!patterns.some((pattern) => matchesPattern(pattern, name))) continue;
    if (place !== undefined) tensors.push({ name, dtype, shape, ...place, file });
    else if (file !== undefined) indexed.add(file);
    else scattered.push(name);
  }
  if (tensors.length + scattered.length > SUBSET_TENSORS_MAX) throw tooMany();
  const metadata = table.format === "safetensors" && tensors.length > 0 ? readMetadata(source) : {};
  return { tensors, indexed: [...indexed], scattered, metadata };
}

export function tooMany(): SmcError {
  return new SmcError("LIMIT_EXCEEDED", `more than ${SUBSET_TENSORS_MAX} tensors; nothing was written`, {
    hint: "narrow the pattern, or check out the whole files",
  });
}

/** A matched tensor and which of the sources holds it. */
export interface SubsetTensor extends MatchedTensor {
  readonly source: number;
}

/** The whole file as segments. Throws as `layoutSafetensors`. */
export function subsetSegments(
  tensors: readonly SubsetTensor[],
  metadata: Readonly<Record<string, string>>,
): Segment[] {
  const layout = layoutSafetensors(tensors, metadata);
  return [
    { kind: "bytes", bytes: layout.header },
    ...layout.tensors.map(({ source, offset, length }): Segment => {
      return { kind: "copy", from: { source, offset }, length };
    }),
  ];
}
