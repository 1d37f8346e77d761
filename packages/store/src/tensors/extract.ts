/** Some tensors of a version, taken out of its files into a safetensors file. */
import { posix } from "node:path";
import { type Call, createPacer } from "../call.ts";
import { isSmcError, SmcError } from "../errors.ts";
import { show } from "../show.ts";
import type { Store } from "../store.ts";
import type { FlatTree } from "../trees/tree-read.ts";
import { eachAhead } from "./compare.ts";
import { SUBSET_TENSORS_MAX, type SubsetTensor, type TensorMatch, tooMany } from "./subset.ts";

const PATTERNS_MAX = 1000;
const PATTERN_LENGTH_MAX = 1000;
/** Files that are looked into at the same time, for each worker. */
const FILES_AHEAD = 4;

export interface FoundTensors {
  /** Paths of the files that hold them; `source` of a tensor is an index of this. */
  readonly sources: readonly string[];
  readonly tensors: readonly SubsetTensor[];
  readonly metadata: Readonly<Record<string, string>>;
  /** Files that nobody named and that cannot be read. */
  readonly skipped: readonly { readonly path: string; readonly problem: string }[];
}

export interface Wanted {
  readonly files: FlatTree;
  /** Paths to look into, and whether each of them was asked for by name. */
  readonly paths: readonly string[];
  readonly isNamed: boolean;
  readonly patterns: readonly string[];
}

/**
 * Finds the tensors whose names match. Throws PATH_NOT_FOUND when there are none, ARGUMENT_INVALID for two of one name
 * and for one that its file holds compressed, FILE_MALFORMED for a file that was named, LIMIT_EXCEEDED.
 */
export async function findTensors(store: Store, wanted: Wanted, call: Call): Promise<FoundTensors> {
  assertPatterns(wanted.patterns);
  const { matches, skipped } = await matchFiles(store, wanted, call);
  const sources = new Map<string, number>();
  const byName = new Map<string, SubsetTensor & { readonly path: string }>();
  const metadata = new Map<string, string>();
  const pace = createPacer(call);
  for (const [path, match] of [...matches].sort(([a], [b]) => (a < b ? -1 : 1))) {
    for (const name of match.scattered) throw isScattered(name, path);
    for (const [key, value] of Object.entries(match.metadata)) {
      if (!metadata.has(key)) metadata.set(key, value);
    }
    for (const tensor of match.tensors) {
      const holder = tensor.file === undefined ? path : posix.join(posix.dirname(path), tensor.file);
      assertHeld(wanted.files, { tensor, holder, path });
      const known = byName.get(tensor.name);
      if (known === undefined) {
        const source = sources.get(holder) ?? sources.size;
        sources.set(holder, source);
        byName.set(tensor.name, { ...tensor, source, path: holder });
      } else if (known.path !== holder || known.offset !== tensor.offset) {
        throw isTwice(tensor.name, known.path, holder);
      }
      await pace();
    }
  }
  if (byName.size > SUBSET_TENSORS_MAX) throw tooMany();
  if (byName.size === 0) throw isNowhere(wanted.patterns);
  return {
    sources: [...sources.keys()],
    tensors: [...byName.values()],
    metadata: Object.fromEntries(metadata),
    skipped,
  };
}

function assertPatterns(patterns: readonly string[]): void {
  const long = patterns.find((pattern) => pattern.length > PATTERN_LENGTH_MAX);
  if (patterns.length <= PATTERNS_MAX && long === undefined) return;
  const limits = `at most ${PATTERNS_MAX} patterns of ${PATTERN_LENGTH_MAX} characters can be given`;
  throw new SmcError("ARGUMENT_INVALID", `${limits}; nothing was written`);
}

/** Looks into the files, and into those that an index of files names. */
async function matchFiles(
  store: Store,
  { files, paths, isNamed, patterns }: Wanted,
  call: Call,
): Promise<{ matches: Map<string, TensorMatch>; skipped: { path: string; problem: string }[] }> {
  const matches = new Map<string, TensorMatch>();
  const skipped: { path: string; problem: string }[] = [];
  const seen = new Set(paths);
  let next = [...paths];
  let done = 0;
  while (next.length > 0) {
    const found: string[] = [];
    await eachAhead(store.pool.size * FILES_AHEAD, next, async (path) => {
      const file = files.get(path);
      if (file === undefined) throw isAbsent(path);
      if (file.mode === "120000") return;
      const fileName = posix.basename(path);
      try {
        const blob = await store.objects.blob(file.digest);
        const input = { blob, fileName, patterns };
        const match = await store.pool.run("matchTensors", input, { signal: call.signal });
        if (match === undefined) return;
        matches.set(path, match);
        for (const name of match.indexed) found.push(posix.join(posix.dirname(path), name));
      } catch (error) {
        if (!isSmcError(error, "FILE_MALFORMED") || isNamed) throw error;
        skipped.push({ path, problem: error.message });
      }
      done += 1;
      call.onProgress({ phase: "search", done, total: seen.size, unit: "files" });
    });
    next = [...new Set(found)].filter((path) => !seen.has(path));
    for (const path of next) seen.add(path);
  }
  return { matches, skipped };
}

function assertHeld(
  files: FlatTree,
  { tensor, holder, path }: { tensor: TensorMatch["tensors"][number]; holder: string; path: string },
): void {
  const file = files.get(holder);
  if (file !== undefined && tensor.offset + tensor.length <= file.sizeBytes) return;
  const why = file === undefined ? "is not there" : `has only ${file.sizeBytes} bytes`;
  throw new SmcError(
    "PATH_NOT_FOUND",
    `'${show(path, 200)}' keeps tensor '${show(tensor.name, 200)}' in '${show(holder, 200)}', which ${why}; nothing was written`,
    { details: { path, holder, tensor: tensor.name } },
  );
}

function isAbsent(path: string): SmcError {
  return new SmcError("PATH_NOT_FOUND", `an index names '${show(path, 200)}', which is not there`, {
    details: { path },
  });
}

function isScattered(name: string, path: string): SmcError {
  return new SmcError(
    "ARGUMENT_INVALID",
    `'${show(path, 200)}' holds tensor '${show(name, 200)}' compressed or in pieces; nothing was written`,
    { hint: "leave it out with a narrower pattern", details: { path, tensor: name } },
  );
}

function isTwice(name: string, first: string, second: string): SmcError {
  const files =
    first === second ? `'${show(first, 200)}', twice` : `'${show(first, 200)}' and '${show(second, 200)}'`;
  return new SmcError("ARGUMENT_INVALID", `tensor '${show(name, 200)}' is in ${files}; nothing was written`, {
    hint: "name the file that is meant: -- PATH",
    details: { tensor: name, paths: [first, second] },
  });
}

function isNowhere(patterns: readonly string[]): SmcError {
  const shown = patterns.map((pattern) => `'${show(pattern, 80)}'`).join(", ");
  return new SmcError("PATH_NOT_FOUND", `no tensor is named ${shown}; nothing was written`, {
    hint: 'list what there is with "smc ls-tree -r --tensors"',
    details: { patterns },
  });
}
