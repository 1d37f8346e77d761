/** What a push is to do to the refs of a remote: words of the user and refs here and there, turned into changes. */
import type { Call } from "../call.ts";
import { SmcError } from "../errors.ts";
import { isAncestor } from "../history/graph.ts";
import { resolveRevision } from "../history/revision.ts";
import type { Digest } from "../objects/digest.ts";
import { parseRefName, refName, type RefName } from "../objects/names.ts";
import { FILES_PREFIX, findRef, shortRefName } from "../refs/ref-find.ts";
import type { Repository } from "../repository.ts";
import { show } from "../show.ts";
import { readHead } from "../worktree/head.ts";
import type { RemoteRef } from "./remote.ts";

const BRANCHES = "refs/heads/";
const TAGS = "refs/tags/";
/** What is seen of others, where worktrees are, what people protect here: no mirror takes that along. */
const LOCAL = /^refs\/(?:remotes|worktrees|protected)\//;

export interface PushWords {
  readonly refs?: readonly string[];
  readonly all?: boolean;
  readonly tags?: boolean;
  readonly force?: boolean;
  readonly forceWithLease?: boolean;
  readonly mirror?: boolean;
}

/** A ref of the remote and what it is to name. */
export interface PushTarget {
  readonly name: RefName;
  readonly to: Digest | "absent";
  /** Whatever is there now. */
  readonly force: boolean;
}

export interface PushChange {
  readonly name: RefName;
  readonly from: Digest | "absent";
  readonly to: Digest | "absent";
  readonly fastForward: boolean;
}

/** Which refs the words mean. Throws ARGUMENT_INVALID, REF_NAME_INVALID, REVISION_NOT_FOUND. */
export async function readTargets(
  repository: Repository,
  words: PushWords,
  there: readonly RemoteRef[],
  call: Call,
): Promise<PushTarget[]> {
  const force = words.force === true;
  const targets: PushTarget[] = [];
  for (const word of words.refs ?? []) targets.push(await readWord(repository, word, { force, there }, call));
  const here = await repository.store.refs.list(repository.name);
  for (const { name, digest } of here) {
    const isLocal = LOCAL.test(name);
    const isChosen =
      (words.mirror === true && !isLocal) ||
      (words.all === true && name.startsWith(BRANCHES)) ||
      (words.tags === true && name.startsWith(TAGS));
    if (isChosen) targets.push({ name, to: digest, force: force || words.mirror === true });
  }
  if (words.mirror === true) {
    const names = new Set<string>(here.map(({ name }) => name));
    for (const { name } of there)
      // What was uploaded is on no branch here, also where it was uploaded from.
      if (!names.has(name) && !name.startsWith(FILES_PREFIX))
        targets.push({ name: parseRefName(name), to: "absent", force: true });
  }
  const named = (words.refs ?? []).length > 0 || words.all === true || words.tags === true;
  if (!named && words.mirror !== true) targets.push(await currentBranch(repository, force));
  return [...new Map(targets.map((target) => [target.name, target])).values()];
}

async function currentBranch(repository: Repository, force: boolean): Promise<PushTarget> {
  const { ref, digest } = await readHead(repository);
  if (ref === undefined)
    throw new SmcError("ARGUMENT_INVALID", "HEAD is on no branch; say what is to be pushed", {
      hint: "for instance: smc push origin HEAD:main",
    });
  if (digest === undefined)
    throw new SmcError("REVISION_NOT_FOUND", `branch '${shortRefName(ref)}' has no commit yet`, {
      hint: 'make one with "smc add" and "smc commit"',
    });
  return { name: ref, to: digest, force };
}

async function readWord(
  repository: Repository,
  text: string,
  { there, ...options }: { force: boolean; there: readonly RemoteRef[] },
  call: Call,
): Promise<PushTarget> {
  const force = options.force || text.startsWith("+");
  const word = text.startsWith("+") ? text.slice(1) : text;
  const colon = word.indexOf(":");
  const from = colon < 0 ? word : word.slice(0, colon);
  const target = colon < 0 ? undefined : word.slice(colon + 1);
  if (from === "") {
    if (target === undefined || target === "")
      throw new SmcError("ARGUMENT_INVALID", `'${show(text, 80)}' names no ref`);
    return { name: findThere(target, there), to: "absent", force: true };
  }
  const found = from === "HEAD" ? undefined : await findRef(repository, from);
  if (found !== undefined)
    return { name: target === undefined ? found.ref : fullName(target, found.ref), to: found.digest, force };
  if (target === undefined && from === "HEAD") return currentBranch(repository, force);
  const { digest } = await resolveRevision(repository, from, call);
  if (target === undefined)
    throw new SmcError(
      "ARGUMENT_INVALID",
      `'${show(from, 80)}' is no branch or tag; say what it is to be called there`,
      {
        hint: `for instance: smc push origin ${show(from, 40)}:main`,
      },
    );
  return { name: fullName(target, undefined), to: digest, force };
}

/** The ref of the remote that a name means. Throws REVISION_NOT_FOUND, REVISION_AMBIGUOUS. */
function findThere(text: string, there: readonly RemoteRef[]): RefName {
  const names = text.startsWith("refs/") ? [text] : [BRANCHES + text, TAGS + text];
  const [found, other] = there.filter(({ name }) => names.includes(name));
  if (found === undefined)
    throw new SmcError(
      "REVISION_NOT_FOUND",
      `the remote has no branch or tag '${show(text, 80)}'; nothing was changed`,
      { hint: 'see what it has with "smc ls-remote NAME"' },
    );
  if (other !== undefined)
    throw new SmcError(
      "REVISION_AMBIGUOUS",
      `'${show(text, 80)}' is a branch and a tag there; nothing was changed`,
      {
        hint: `write ${show(BRANCHES + text, 80)} or ${show(TAGS + text, 80)}`,
      },
    );
  return parseRefName(found.name);
}

/** A name without `refs/` is of the same kind as what it is to name: a branch, unless that is a tag. */
function fullName(text: string, like: RefName | undefined): RefName {
  if (text.startsWith("refs/")) return parseRefName(text);
  const prefix = /^refs\/[^/]+\//.exec(like ?? "")?.[0] ?? BRANCHES;
  return refName(prefix === "refs/remotes/" ? BRANCHES : prefix, text);
}

export interface Lease {
  /** What this store has last seen there. */
  readonly seen: ReadonlyMap<string, Digest>;
}

/**
 * What changes, of what is asked for. Throws NOT_FAST_FORWARD for a branch that would lose commits, ALREADY_EXISTS for
 * another tag of that name, REF_CHANGED where a lease does not hold; nothing was sent then.
 */
export async function planChanges(
  repository: Repository,
  {
    targets,
    there,
    lease,
  }: { targets: readonly PushTarget[]; there: readonly RemoteRef[]; lease?: Lease | undefined },
  call: Call,
): Promise<PushChange[]> {
  const now = new Map<string, Digest>(there.map(({ name, digest }) => [name, digest]));
  const changes: PushChange[] = [];
  for (const { name, to, force } of targets) {
    const from = now.get(name);
    if (from === to || (from === undefined && to === "absent")) continue;
    const fastForward =
      from === undefined || (to !== "absent" && (await isForward(repository, from, to, call)));
    if (lease !== undefined && !fastForward && !name.startsWith(TAGS)) {
      if (lease.seen.get(name) !== from) throw leaseBroken(name);
    } else if (!force && from !== undefined && to !== "absent") {
      if (name.startsWith(TAGS)) throw otherTag(name);
      if (!fastForward) throw notForward(name, await repository.store.objects.stat(from));
    }
    changes.push({ name, from: from ?? "absent", to, fastForward });
  }
  return changes;
}

async function isForward(repository: Repository, from: Digest, to: Digest, call: Call): Promise<boolean> {
  const { objects } = repository.store;
  const [old, next] = [await objects.stat(from), await objects.stat(to)];
  if (old?.kind !== "commit" || next?.kind !== "commit") return false;
  return isAncestor(repository.store, { ancestor: from, descendant: to }, call);
}

function notForward(name: RefName, known: unknown): SmcError {
  const short = show(shortRefName(name), 100);
  const why = known === undefined ? "has commits that this store has not seen" : "would lose commits";
  return new SmcError("NOT_FAST_FORWARD", `'${short}' there ${why}; nothing was sent`, {
    hint: known === undefined ? 'run "smc pull" first' : "merge first, or use --force-with-lease",
    details: { ref: name },
  });
}

function otherTag(name: RefName): SmcError {
  const short = show(shortRefName(name), 100);
  return new SmcError(
    "ALREADY_EXISTS",
    `the tag '${short}' is there already and names something else; nothing was sent`,
    {
      hint: "take another name: people rely on a tag staying what it is",
      details: { ref: name },
    },
  );
}

function leaseBroken(name: RefName): SmcError {
  const short = show(shortRefName(name), 100);
  return new SmcError(
    "REF_CHANGED",
    `'${short}' there is not what this store has seen last; nothing was sent`,
    {
      hint: 'look at it with "smc fetch" first',
      details: { ref: name },
    },
  );
}
