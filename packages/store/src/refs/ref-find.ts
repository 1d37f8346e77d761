/** Refs by the names that people type, and what refs were in the past. */
import { parseDate } from "../history/dates.ts";
import type { Digest } from "../objects/digest.ts";
import { isSmcError, SmcError } from "../errors.ts";
import { parseRefName, refName, type RefName } from "../objects/names.ts";
import { PROTECTED_PREFIX, PRUNED_PREFIX } from "./refs.ts";
import type { Repository } from "../repository.ts";
import type { ReflogSelector } from "../history/revision-text.ts";
import { show } from "../show.ts";
import { suggest } from "../history/suggest.ts";
import { readHead } from "../worktree/head.ts";

export const SHORT_DIGEST_MIN = 7;
const VERSIONS_TOLD_MAX = 3;
/** Roles that every repository knows, and how somebody gets into them. */
const ROLE_HINTS = {
  champion: 'make one with "smc promote VERSION --reason …"; the first one needs no --require',
  challenger: 'name one with "smc challenger VERSION"',
} as const;
const ROLES = ["champion", "challenger"] as const;
const WORKTREES_PREFIX = "refs/worktrees/";

/** REVISION_NOT_FOUND with "did you mean" when there are candidates, else with the hint. */
export function notFound(
  text: string,
  why: string,
  options: { hint?: string; candidates?: string[] } = {},
): SmcError {
  const { candidates = [], hint } = options;
  const meant =
    candidates.length === 0 ? hint : `did you mean: ${candidates.map((name) => show(name)).join(", ")}`;
  return new SmcError("REVISION_NOT_FOUND", why, {
    ...(meant === undefined ? {} : { hint: meant }),
    details: { revision: text, ...(candidates.length === 0 ? {} : { candidates }) },
  });
}

/** Undefined for what is not a full ref name. */
export function tryRefName(text: string): RefName | undefined {
  try {
    return parseRefName(text);
  } catch (error) {
    if (isSmcError(error, "REF_NAME_INVALID")) return undefined;
    throw error;
  }
}

/** Notes about commits: each on a ref that is named by the digest of its commit. */
export const NOTES_PREFIX = "refs/notes/";

/** Branches of uploaded files: `files/NAME`. */
export const FILES_PREFIX = "refs/heads/files/";

/** Refs that smc makes for itself and does not list: where worktrees are, what was pruned, what is protected. */
export function isOwnRef(name: string): boolean {
  return [WORKTREES_PREFIX, PRUNED_PREFIX, PROTECTED_PREFIX].some((prefix) => name.startsWith(prefix));
}

/** The full names that a short one may mean, in the order they are tried. */
function refCandidates(name: string): RefName[] {
  const rules = ["", "refs/", "refs/registry/", "refs/tags/", "refs/heads/", "refs/remotes/"];
  const names = rules.map((prefix) => prefix + name);
  names.push(`refs/remotes/${name}/HEAD`, `refs/remotes/${name.replace("/", "/registry/")}`);
  if (/^\d/.test(name)) names.push(`refs/tags/v${name}`);
  return names.flatMap((text) => tryRefName(text) ?? []);
}

export interface FoundRef {
  readonly ref: RefName;
  readonly digest: Digest;
}

/** The ref that a short or full name means, or undefined. HEAD is `readHead`. */
export async function findRef(repository: Repository, name: string): Promise<FoundRef | undefined> {
  for (const ref of refCandidates(name)) {
    const digest = await repository.store.refs.read(repository.name, ref);
    if (digest !== undefined) return { ref, digest };
  }
  return undefined;
}

/** Short names of the refs that look like what was typed. */
export async function suggestRefs(repository: Repository, name: string): Promise<string[]> {
  const refs = await repository.store.refs.list(repository.name);
  const names = refs
    .filter(({ name }) => !isOwnRef(name) && !name.startsWith(NOTES_PREFIX))
    .map((ref) => shortRefName(ref.name));
  const near = suggest(name, ["HEAD", ...names]);
  if (near.length > 0 || !/^(v\d|\d+\.)/.test(name)) return near;
  // A version that was never made: some that were.
  return names.filter((other) => /^v?\d/.test(other)).slice(-VERSIONS_TOLD_MAX);
}

/**
 * `refs/heads/main` → `main`, `refs/tags/v1` → `v1`, `refs/registry/champion` → `champion`, `refs/archive/x` →
 * `archive/x`.
 */
export function shortRefName(name: string): string {
  return name.replace(/^refs\/(?:heads|tags|remotes|registry)\/|^refs\//, "");
}

/** Why a name means nothing: too short, not a name at all, or not there. */
export async function unknownName(repository: Repository, name: string): Promise<SmcError> {
  const role = ROLES.find((known) => known === name || `refs/registry/${known}` === name);
  if (role !== undefined) return notFound(name, `there is no ${role} yet`, { hint: ROLE_HINTS[role] });
  const candidates = await suggestRefs(repository, name);
  if (/^[0-9a-f]{1,6}$/.test(name)) {
    const meant =
      candidates.length === 0 ? {} : { hint: `did you mean: ${candidates.map((x) => show(x)).join(", ")}` };
    const why = `'${name}' is no branch or tag, and too short for a digest (at least ${SHORT_DIGEST_MIN} digits)`;
    return new SmcError("REVISION_INVALID", why, { ...meant, details: { revision: name, candidates } });
  }
  try {
    if (name.startsWith("refs/")) parseRefName(name);
    else refName("refs/heads/", name);
  } catch (error) {
    if (!isSmcError(error, "REF_NAME_INVALID")) throw error;
    const why = error.message.slice(error.message.indexOf("': ") + 3);
    return new SmcError("REVISION_INVALID", `'${show(name, 80)}' is not a revision: ${why}`);
  }
  const lower = name.toLowerCase();
  const hint = /^[0-9a-f]{7,}$/.test(lower) ? "digests are written in lower case" : undefined;
  return notFound(name, `no branch, tag or object is called '${show(name, 80)}'`, {
    candidates,
    ...(hint === undefined ? {} : { hint }),
  });
}

/** The ref whose log `NAME@{…}` reads: HEAD's own, the current branch, or a ref that is or was there. */
export async function refOfLog(repository: Repository, name: string): Promise<RefName> {
  if (name === "" || name === "HEAD") {
    const head = await readHead(repository);
    if (name === "HEAD" && repository.worktree !== undefined) return head.log;
    return head.ref ?? head.log;
  }
  const found = await findRef(repository, name);
  if (found !== undefined) return found.ref;
  for (const ref of refCandidates(name)) {
    if ((await repository.store.refs.log(repository.name, ref, 1)).length > 0) return ref;
  }
  throw await unknownName(repository, name);
}

/** What a ref was before its n-th newest change, or at a date. Throws REVISION_NOT_FOUND. */
export async function readReflogAt(
  repository: Repository,
  ref: RefName,
  at: ReflogSelector,
): Promise<Digest> {
  const shown = `'${show(shortRefName(ref))}'`;
  let digest: Digest | "absent" | undefined;
  if ("nth" in at) {
    const log = await repository.store.refs.log(repository.name, ref, at.nth + 1);
    const oldest = log.at(-1);
    digest = log.length > at.nth ? log[at.nth]?.to : log.length === at.nth ? oldest?.from : undefined;
    if (digest === undefined) throw notFound(ref, `the log of ${shown} has only ${log.length} entries`);
  } else {
    const ms = parseDate(at.date);
    const log = await repository.store.refs.log(repository.name, ref);
    digest = log.find((entry) => entry.ms <= ms)?.to;
    if (digest === undefined) {
      const first = log.at(-1);
      const since = first === undefined ? "" : `; its log starts at ${new Date(first.ms).toISOString()}`;
      throw notFound(ref, `${shown} was not there at ${new Date(ms).toISOString()}${since}`, {
        hint: `see "smc reflog ${show(shortRefName(ref))}"`,
      });
    }
  }
  if (digest === "absent") throw notFound(ref, `${shown} was not there then`);
  return digest;
}
