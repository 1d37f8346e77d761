/** `smc checkout --tensors`: some tensors of a version as a new safetensors file of the worktree. */
import { posix } from "node:path";
import type { Call } from "../call.ts";
import { SmcError } from "../errors.ts";
import { createFile } from "../fs.ts";
import { resolveTree } from "../history/revision.ts";
import { type Repository, requireWorktree } from "../repository.ts";
import { show } from "../show.ts";
import { flattenTree, type FlatTree } from "../trees/tree-read.ts";
import { assertNames } from "../worktree/edit.ts";
import { type PathFilter, resolvePath, resolvePaths } from "../worktree/paths.ts";
import { assertFree, placeFile } from "../worktree/place-file.ts";
import { exclusively, type Worktree } from "../worktree/worktree.ts";
import { findTensors, type FoundTensors } from "./extract.ts";

const SUFFIX = ".safetensors";
const FILE_MODE = 0o666;

export interface TensorCheckout {
  /** `*` stands for any characters, `?` for one. */
  readonly patterns: readonly string[];
  /** HEAD when left out. */
  readonly revision?: string | undefined;
  /** Only tensors of these files; all files when left out. */
  readonly paths?: readonly string[] | undefined;
  /** The file to write, as seen from where the user stands. */
  readonly output?: string | undefined;
  /** Replaces the file that is there. */
  readonly force: boolean;
}

export interface WrittenTensors {
  /** From the root of the worktree. */
  readonly path: string;
  readonly tensorCount: number;
  readonly sizeBytes: number;
  /** Files that the tensors were taken from. */
  readonly sources: readonly string[];
  /** Files that look like weights and cannot be read; nobody named them. */
  readonly skipped: readonly { readonly path: string; readonly problem: string }[];
}

/**
 * Writes one file; HEAD, stage and everything else stay as they are. Without `output` the name is that of the only
 * source with `.tensors.safetensors` in place of its extension, in the folder where the user stands. Throws
 * WOULD_OVERWRITE, USAGE when tensors of several files need a name, PATH_NOT_FOUND, and as findTensors,
 * layoutSafetensors.
 */
export async function checkoutTensors(
  repository: Repository,
  options: TensorCheckout,
  call: Call,
): Promise<WrittenTensors> {
  const worktree = requireWorktree(repository);
  const { store } = repository;
  const named = options.output === undefined ? undefined : await outputPath(worktree, options.output);
  const filter = await resolvePaths(worktree, options.paths ?? []);
  const tree = await resolveTree(repository, options.revision ?? "HEAD", call);
  return exclusively(worktree, call, async () => {
    const { force } = options;
    if (named !== undefined) await assertFree(worktree, { path: named, force });
    using _ = store.objects.readers.enter();
    const files = await flattenTree(store.objects, tree, call);
    const paths = pathsOf(files, filter);
    const isNamed = filter.specs.length > 0;
    const found = await findTensors(store, { files, paths, isNamed, patterns: options.patterns }, call);
    const path = named ?? defaultPath(worktree, found.sources);
    await assertNames(repository, { added: [path], kept: [], allowNonportable: undefined });
    const sizeBytes = await write(repository, { worktree, path, force, found, files }, call);
    const { sources, skipped, tensors } = found;
    return { path, tensorCount: tensors.length, sizeBytes, sources, skipped };
  });
}

async function outputPath(worktree: Worktree, text: string): Promise<string> {
  const path = await resolvePath(worktree, text);
  if (path !== "" && !text.endsWith("/")) return path;
  throw new SmcError("ARGUMENT_INVALID", `'${show(text, 80)}' is a folder; name the file to write`);
}

function pathsOf(files: FlatTree, filter: PathFilter): string[] {
  const paths = [...files.keys()].filter((path) => filter.specs.length === 0 || filter.matches(path));
  filter.assertAllMet();
  return paths;
}

function defaultPath({ prefix }: Worktree, sources: readonly string[]): string {
  const [source, other] = sources;
  if (source === undefined || other !== undefined) {
    throw new SmcError("USAGE", `the tensors are in ${sources.length} files: say what to write them to`, {
      hint: "name the new file with -o FILE, or one source with -- PATH",
      details: { paths: sources.slice(0, 10), count: sources.length },
    });
  }
  const name = posix.basename(source, posix.extname(source));
  return posix.join(prefix, `${name}.tensors${SUFFIX}`);
}

interface Writing {
  readonly worktree: Worktree;
  readonly path: string;
  readonly force: boolean;
  readonly found: FoundTensors;
  readonly files: FlatTree;
}

async function write({ store }: Repository, writing: Writing, call: Call): Promise<number> {
  const { worktree, path, force, found, files } = writing;
  const sources = await Promise.all(
    found.sources.map(async (source) => {
      const digest = files.get(source)?.digest;
      if (digest === undefined) throw new SmcError("INTERNAL", "a source that is no file of the tree");
      return store.objects.blob(digest);
    }),
  );
  const total = found.tensors.reduce((sum, { length }) => sum + length, 0);
  let sizeBytes = 0;
  await placeFile(worktree, { path, force }, async (target) => {
    let done = 0;
    await createFile(target, "", { mode: FILE_MODE, durable: false });
    const input = { path: target, sources, tensors: found.tensors, metadata: found.metadata };
    const written = await store.pool.run("writeSubset", input, {
      signal: call.signal,
      onProgress: (bytes) => {
        done += bytes;
        call.onProgress({ phase: "checkout", done, total: Math.max(total, done), unit: "bytes" });
      },
    });
    ({ sizeBytes } = written);
  });
  return sizeBytes;
}
