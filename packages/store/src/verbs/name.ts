/** `smc name`: names of model files by `name.pattern`: one for a file, and whether given ones fit. */
import { stat } from "node:fs/promises";
import { basename, extname } from "node:path";
import { asStem, splitName, stampOf } from "../backup/names.ts";
import type { Call } from "../call.ts";
import { nowMs } from "../clock.ts";
import { fromErrno, isSmcError, SmcError } from "../errors.ts";
import { type FilesPlace, pathOf } from "../layout/folders.ts";
import { readNamePattern } from "../layout/model-names.ts";
import {
  formatName,
  NAME_PATTERN,
  type NamePattern,
  nameFault,
  parseNamePattern,
  readName,
} from "../layout/name-pattern.ts";
import { nextRelease } from "../refs/version-order.ts";
import type { OwnedRepository } from "../repository.ts";
import { show } from "../show.ts";

const NAMES_MAX = 100_000;
const TAGS = "refs/tags/";
const DAY_LENGTH = "20260115".length;

export interface NameOptions {
  readonly action: "suggest" | "check";
  /** For check: names or paths; for suggest: at most one file, which need not be there. */
  readonly names?: readonly string[];
  /** For suggest: `model_type`. */
  readonly type?: string;
  readonly version?: string;
}

export interface NameRow {
  readonly name: string;
  /** Why it does not fit; null when it does. */
  readonly fault: string | null;
}

export interface NameResult {
  readonly action: NameOptions["action"];
  /** Empty when every name is good. */
  readonly pattern: string;
  /** Those that were given, or the suggestion. */
  readonly names: readonly NameRow[];
}

/** Throws USAGE, ARGUMENT_INVALID for a type or version that no name has, CONFIG_INVALID. */
export async function name(place: FilesPlace, options: NameOptions, _call: Call): Promise<NameResult> {
  const { action, names = [] } = options;
  const repository = await repositoryOf(place);
  const { store } = place;
  const pattern = await readNamePattern({ store, worktree: repository?.worktree });
  if (names.length > NAMES_MAX) throw new SmcError("LIMIT_EXCEEDED", `more than ${NAMES_MAX} names`);
  if (action === "check") {
    if (names.length === 0) throw new SmcError("USAGE", "name what to check");
    const rows = names.map((text) => ({ name: text, fault: faultOf(pattern, text) }));
    return { action, pattern: pattern?.text ?? "", names: rows };
  }
  if (names.length > 1) throw new SmcError("USAGE", "a name is suggested for one file at a time");
  const suggested = await suggestName(place, { ...options, file: names[0], pattern, repository });
  return { action, pattern: pattern?.text ?? "", names: [{ name: suggested, fault: null }] };
}

function faultOf(pattern: NamePattern | undefined, text: string): string | null {
  return pattern === undefined ? null : (nameFault(pattern, basename(text)) ?? null);
}

async function repositoryOf(place: FilesPlace): Promise<OwnedRepository | undefined> {
  try {
    return await place.openRepository();
  } catch (error) {
    if (isSmcError(error, "WORKTREE_NOT_FOUND")) return undefined;
    throw error;
  }
}

async function suggestName(
  place: FilesPlace,
  asked: NameOptions & {
    file: string | undefined;
    pattern: NamePattern | undefined;
    repository: OwnedRepository | undefined;
  },
): Promise<string> {
  const { file, repository, pattern = parseNamePattern(NAME_PATTERN) } = asked;
  const own = file === undefined ? "" : basename(file);
  const known = readName(pattern, own) ?? {};
  const type = asked.type ?? known.model_type ?? typeOf(repository, own);
  if (type === undefined)
    throw new SmcError("USAGE", "nothing says what model it is", { hint: "name a file, or say --type" });
  const version = asked.version ?? known.version ?? (await nextVersion(repository));
  const date = known.date ?? stampOf(await changedMs(place, file)).slice(0, DAY_LENGTH);
  return formatName(pattern, { model_type: type, version, date }, extname(own));
}

/** The repository, else the file. */
function typeOf(repository: OwnedRepository | undefined, own: string): string | undefined {
  if (repository !== undefined) return basename(repository.name);
  return own === "" ? undefined : asStem(splitName(own).stem).replace(/[._-]+$/, "");
}

/** The release after the highest tag. */
async function nextVersion(repository: OwnedRepository | undefined): Promise<string> {
  const refs = repository === undefined ? [] : await repository.store.refs.list(repository.name, TAGS);
  return nextRelease(
    refs.map((ref) => ref.name.slice(TAGS.length)),
    refs.length === 0 ? "major" : "patch",
  );
}

async function changedMs(place: FilesPlace, file: string | undefined): Promise<number> {
  if (file === undefined) return nowMs();
  const path = pathOf(place, file);
  try {
    return (await stat(path)).mtimeMs;
  } catch (error) {
    const known = fromErrno(error, `cannot look at '${show(path)}'`);
    if (isSmcError(known, "PATH_NOT_FOUND")) return nowMs();
    throw known;
  }
}
