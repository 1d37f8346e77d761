/** `smc ref`: which refs are neither deleted nor moved other than forward, on any way. */
import type { Call } from "../call.ts";
import { SmcError } from "../errors.ts";
import { ARCHIVE_PREFIX } from "../registry/archive-refs.ts";
import { assertPattern, writePatterns } from "../registry/protected-list.ts";
import { isMatched, readPatterns } from "../registry/protection.ts";
import { REGISTRY_PREFIX } from "../registry/roles.ts";
import { isOwnRef, notFound } from "../refs/ref-find.ts";
import type { Repository } from "../repository.ts";
import { show } from "../show.ts";

/** Protected in every repository. */
const ALWAYS = [`${REGISTRY_PREFIX}*`, `${ARCHIVE_PREFIX}*`];
const REFS_MAX = 10_000;

export interface RefOptions {
  readonly action: "protect" | "unprotect" | "list";
  /** A name, short or in full; `*` stands for any text, `?` for one character. With "list": only this one. */
  readonly pattern?: string;
}

export interface ProtectedRow {
  readonly pattern: string;
  /** False for what is protected in every repository. */
  readonly isOwn: boolean;
  /** Refs that it protects now, at most 10,000. */
  readonly refs: readonly string[];
}

export interface RefResult {
  readonly action: "protect" | "unprotect" | "list";
  /** Those that were added, taken away, or are there. */
  readonly patterns: readonly ProtectedRow[];
}

/** Throws REF_NAME_INVALID, REVISION_NOT_FOUND for a pattern that is not in the list, ARGUMENT_INVALID, REF_CHANGED. */
export async function ref(repository: Repository, options: RefOptions, _call: Call): Promise<RefResult> {
  const { action, pattern } = options;
  const known = await readPatterns(repository.store, repository.name);
  if (action === "list") {
    const all = [...ALWAYS, ...known].filter((each) => pattern === undefined || each === pattern);
    return { action, patterns: await rowsOf(repository, all, known) };
  }
  if (pattern === undefined)
    throw new SmcError("ARGUMENT_INVALID", `say what to ${action}; nothing was changed`);
  assertPattern(pattern);
  if (action === "protect") {
    if (!known.includes(pattern))
      await writePatterns(repository, { patterns: [...known, pattern], why: `protected ${pattern}` });
    return { action, patterns: await rowsOf(repository, [pattern], [pattern]) };
  }
  if (!known.includes(pattern)) throw notProtected(pattern, known);
  const patterns = known.filter((each) => each !== pattern);
  await writePatterns(repository, { patterns, why: `unprotected ${pattern}` });
  return { action, patterns: await rowsOf(repository, [pattern], [pattern]) };
}

function notProtected(pattern: string, known: readonly string[]): SmcError {
  if (ALWAYS.includes(pattern))
    return new SmcError(
      "REF_PROTECTED",
      `'${pattern}' is protected in every repository; nothing was changed`,
    );
  return notFound(
    pattern,
    `'${show(pattern, 80)}' is not in the list of what is protected; nothing was changed`,
    {
      hint: 'see the list with "smc ref list"',
      ...(known.length === 0 ? {} : { candidates: known.slice(0, 10) }),
    },
  );
}

async function rowsOf(
  { store, name: repository }: Repository,
  patterns: readonly string[],
  own: readonly string[],
): Promise<ProtectedRow[]> {
  const refs = (await store.refs.list(repository)).map(({ name }) => name).filter((name) => !isOwnRef(name));
  return patterns.map((pattern) => ({
    pattern,
    isOwn: own.includes(pattern),
    refs: refs.filter((name) => isMatched(name, [pattern])).slice(0, REFS_MAX),
  }));
}
