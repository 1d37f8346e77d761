/** What a change of refs must keep: expected values, no ref below another, no two names that differ only by case. */
import { breathe } from "../call.ts";
import { type Digest, isDigest } from "../objects/digest.ts";
import { SmcError } from "../errors.ts";
import { CHANGES_MAX, type JournalChange } from "../journal/journal-format.ts";
import { foldName, parseRefName } from "../objects/names.ts";
import type { PendingRows } from "./ref-pending.ts";
import { decodeRef, foldRange, nameOfFoldKey, nameOfKey, refKey, refRange } from "./ref-rows.ts";
import type { RefChange, RefReason, UpdateOptions } from "./refs.ts";
import { show } from "../show.ts";

const REASON_BYTES_MAX = 64 * 1024;
const OP_BYTES_MAX = 64;
/** The shortest full name has three parts: refs/heads/x. */
const PARTS_MIN = 3;

/** Throws LIMIT_EXCEEDED or ARGUMENT_INVALID. */
export function assertReason(reason: RefReason): void {
  const fields = [
    ["op", reason.op, OP_BYTES_MAX],
    ["reason", reason.reason, REASON_BYTES_MAX],
    ["actor", reason.actor, REASON_BYTES_MAX],
  ] as const;
  for (const [field, text, bytesMax] of fields) {
    if (!text.isWellFormed())
      throw new SmcError("ARGUMENT_INVALID", `'${field}' of a change is not valid UTF-8`);
    if (Buffer.byteLength(text) > bytesMax) {
      throw new SmcError("LIMIT_EXCEEDED", `'${field}' of a change is longer than ${bytesMax} bytes`);
    }
  }
}

/** Throws LIMIT_EXCEEDED, REF_NAME_INVALID, ARGUMENT_INVALID for the same ref twice, DIGEST_INVALID. */
export async function assertChanges(changes: readonly RefChange[]): Promise<void> {
  if (changes.length > CHANGES_MAX) {
    throw new SmcError("LIMIT_EXCEEDED", `${changes.length} refs at once are more than ${CHANGES_MAX}`);
  }
  const names = new Set<string>();
  for (const { name, from, to } of changes) {
    parseRefName(name);
    if (names.has(name)) throw new SmcError("ARGUMENT_INVALID", `'${show(name)}' is changed twice at once`);
    names.add(name);
    if (names.size % 1000 === 0) await breathe();
    for (const side of [from, to]) {
      if (side === "any" || side === "absent" || isDigest(side)) continue;
      throw new SmcError("DIGEST_INVALID", `'${show(String(side), 100)}' is not a digest`);
    }
  }
}

export interface RuleContext {
  readonly rows: PendingRows;
  readonly repository: string;
  readonly caseConflicts: UpdateOptions["caseConflicts"];
}

/** Compares every `from` with what is there; a change of nothing to nothing is dropped. Throws REF_CHANGED. */
export async function resolveChanges(
  { rows, repository }: RuleContext,
  changes: readonly RefChange[],
): Promise<JournalChange[]> {
  const values = await rows.getMany(changes.map(({ name }) => refKey(repository, name)));
  return changes.flatMap(({ name, from, to }, index) => {
    const value = values[index];
    const found = value === undefined ? "absent" : decodeRef(value);
    if (from !== "any" && from !== found) throw refChanged(name, { expected: from, found });
    return found === "absent" && to === "absent" ? [] : [{ name, from: found, to }];
  });
}

function refChanged(
  name: string,
  { expected, found }: { expected: Digest | "absent"; found: Digest | "absent" },
): SmcError {
  const was = expected === "absent" ? "not be there" : `be ${expected.slice(0, 12)}`;
  const is = found === "absent" ? "is not there" : `is ${found.slice(0, 12)}`;
  return new SmcError("REF_CHANGED", `'${show(name)}' should ${was} but ${is}; no ref was changed`, {
    details: { name, expected, found },
  });
}

/** Throws REF_CONFLICT when a new ref cannot be beside the refs that stay and the other new ones. */
export async function assertNoConflict(
  context: RuleContext,
  changes: readonly JournalChange[],
): Promise<void> {
  const gone = new Set(changes.flatMap(({ name, to }) => (to === "absent" ? [name] : [])));
  const created = changes.flatMap(({ name, from, to }) =>
    from === "absent" && to !== "absent" ? [name] : [],
  );
  assertNewOnesAgree(created, context.caseConflicts);
  for (const name of created) {
    await assertNoneAbove(context, name, gone);
    await assertNoneBelow(context, name, gone);
    if (context.caseConflicts !== "allow") await assertNoOtherCase(context, name, gone);
  }
}

function parentsOf(name: string): string[] {
  const parts = name.split("/");
  return parts.slice(PARTS_MIN, parts.length).map((_, index) => parts.slice(0, PARTS_MIN + index).join("/"));
}

function conflict(name: string, other: string): SmcError {
  return new SmcError(
    "REF_CONFLICT",
    `'${show(name)}' cannot be made beside '${show(other)}'; no ref was changed`,
    {
      hint: "choose another name, or delete the other ref first",
      details: { name, other },
    },
  );
}

function caseConflict(name: string, other: string): SmcError {
  return new SmcError(
    "REF_CONFLICT",
    `'${show(name)}' differs from '${show(other)}' only by case; no ref was changed`,
    {
      hint: 'choose another name, or set names.caseConflicts to "allow"',
      details: { name, other },
    },
  );
}

function assertNewOnesAgree(created: readonly string[], caseConflicts: UpdateOptions["caseConflicts"]): void {
  const names = new Set(created);
  const folded = new Map<string, string>();
  for (const name of created) {
    const parent = parentsOf(name).find((each) => names.has(each));
    if (parent !== undefined) throw conflict(name, parent);
    if (caseConflicts === "allow") continue;
    const key = foldName(name);
    const other = folded.get(key);
    if (other !== undefined) throw caseConflict(name, other);
    folded.set(key, name);
  }
}

async function assertNoneAbove(
  { rows, repository }: RuleContext,
  name: string,
  gone: Set<string>,
): Promise<void> {
  const parents = parentsOf(name);
  const values = await rows.getMany(parents.map((parent) => refKey(repository, parent)));
  const found = parents.find((parent, index) => values[index] !== undefined && !gone.has(parent));
  if (found !== undefined) throw conflict(name, found);
}

async function assertNoneBelow(
  { rows, repository }: RuleContext,
  name: string,
  gone: Set<string>,
): Promise<void> {
  for await (const [key] of rows.iterate(refRange(repository, `${name}/`))) {
    const found = nameOfKey(key);
    if (!gone.has(found)) throw conflict(name, found);
  }
}

async function assertNoOtherCase(
  { rows, repository }: RuleContext,
  name: string,
  gone: Set<string>,
): Promise<void> {
  for await (const [key] of rows.iterate(foldRange(repository, foldName(name)))) {
    const found = nameOfFoldKey(key);
    if (found !== name && !gone.has(found)) throw caseConflict(name, found);
  }
}
