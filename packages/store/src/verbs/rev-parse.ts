/** Revisions as digests, ref names, CIDs. */
import type { Call } from "../call.ts";
import { type Digest, formatCid } from "../objects/digest.ts";
import { SmcError } from "../errors.ts";
import { mergeBases } from "../history/graph.ts";
import { shortRefName } from "../refs/ref-find.ts";
import { type Repository, requireWorktree } from "../repository.ts";
import { resolveCommit, type Resolved, resolveRevision } from "../history/revision.ts";
import { parseRange } from "../history/revision-text.ts";
import { shortenDigest } from "../objects/short-digest.ts";

const REVISIONS_MAX = 10_000;

export interface RevParseOptions {
  readonly revisions?: readonly string[];
  /** Digits of the short form, at least 4; longer where that is not enough to tell objects apart. */
  readonly short?: number;
  readonly cid?: boolean;
  /** The short name of the ref: `main`; HEAD when detached. */
  readonly abbrevRef?: boolean;
  readonly showToplevel?: boolean;
}

export interface RevParseRow {
  readonly revision: string;
  readonly digest: Digest;
  readonly kind: Resolved["kind"];
  readonly ref: string | null;
  /** What the options ask for; `^` in front for what a range leaves out. */
  readonly text: string;
}

export interface RevParseResult {
  /** Root of the worktree, with `showToplevel`. */
  readonly toplevel: string | null;
  readonly rows: readonly RevParseRow[];
}

/** Throws as resolveRevision; WORKTREE_NOT_FOUND for `showToplevel` outside of one. */
export async function revParse(
  repository: Repository,
  options: RevParseOptions,
  call: Call,
): Promise<RevParseResult> {
  const texts = options.revisions ?? [];
  if (texts.length > REVISIONS_MAX)
    throw new SmcError("LIMIT_EXCEEDED", `more than ${REVISIONS_MAX} revisions`);
  const rows: RevParseRow[] = [];
  for (const text of texts) {
    for (const { found, excluded } of await resolveAny(repository, text, call)) {
      const shown = await format(repository, { text, found, options });
      rows.push({
        revision: text,
        digest: found.digest,
        kind: found.kind,
        ref: found.ref ?? null,
        text: excluded ? `^${shown}` : shown,
      });
    }
  }
  return { toplevel: options.showToplevel === true ? requireWorktree(repository).root : null, rows };
}

interface Part {
  readonly found: Resolved;
  readonly excluded: boolean;
}

async function resolveAny(repository: Repository, text: string, call: Call): Promise<Part[]> {
  const range = parseRange(text);
  if (range === undefined && !text.startsWith("^")) {
    return [{ found: await resolveRevision(repository, text, call), excluded: false }];
  }
  const part = (digest: Digest, excluded: boolean): Part => ({ found: { digest, kind: "commit" }, excluded });
  if (range === undefined) return [part(await resolveCommit(repository, text.slice(1), call), true)];
  const from = await resolveCommit(repository, range.from, call);
  const to = await resolveCommit(repository, range.to, call);
  if (!range.symmetric) return [part(to, false), part(from, true)];
  const bases = await mergeBases(repository.store, from, to, call);
  return [part(from, false), part(to, false), ...bases.map((base) => part(base, true))];
}

async function format(
  repository: Repository,
  { text, found, options }: { text: string; found: Resolved; options: RevParseOptions },
): Promise<string> {
  if (options.abbrevRef === true) {
    if (found.ref !== undefined) return shortRefName(found.ref);
    if (text === "HEAD" || text === "@") return "HEAD";
  }
  if (options.cid === true) return formatCid(found.digest, found.kind);
  if (options.short === undefined) return found.digest;
  return shortenDigest(repository.store, found.digest, options.short);
}
