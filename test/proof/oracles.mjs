/** What must hold after every fault. Each oracle returns sentences about what does not. */
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import { dist } from "./inject.mjs";
import { CALL, repositoryOf, staged } from "./operations.mjs";

const { decodeCommit, decodeTag, decodeTree } = await import(new URL("objects/objects.js", dist).href);

/** What a command that did all its work already says when it is given again. */
const DONE_BEFORE = new Set(["NOTHING_TO_COMMIT", "ALREADY_EXISTS"]);

function sha256(...parts) {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(part);
  return hash.digest("hex");
}

/** Files of the worktree, without what smc keeps for itself: path → digest. */
export function filesOf(desk) {
  const found = {};
  let entries;
  try {
    entries = readdirSync(desk, { recursive: true, withFileTypes: true });
  } catch (error) {
    if (error.code === "ENOENT") return found;
    throw error;
  }
  for (const entry of entries) {
    const path = join(entry.parentPath, entry.name);
    const name = path.slice(desk.length + 1);
    if (/^\.smc($|[/.-])/.test(name) || /(^|\/)\.smc[.-]tmp-/.test(name)) continue;
    if (entry.isSymbolicLink()) found[name] = `-> ${readlinkSync(path)}`;
    else if (entry.isFile()) found[name] = sha256(readFileSync(path));
  }
  return found;
}

/** All refs of all repositories, one line each. */
export async function refsOf({ store }) {
  const lines = [];
  for (const { name: repository } of await store.refs.listRepositories()) {
    lines.push(repository);
    for (const { name, digest } of await store.refs.list(repository)) lines.push(`${name} ${digest}`);
  }
  return lines;
}

/** Everything that a user can see of a state. */
export async function describe(context) {
  const head = readFileSync(join(context.desk, ".smc", "HEAD"), "utf8");
  return {
    refs: await refsOf(context),
    files: filesOf(context.desk),
    staged: await staged(context),
    head,
  };
}

function objectOf(step, raw) {
  if (sha256(raw) !== step.digest) throw new Error(`${step.kind} ${step.digest} was read with other bytes`);
  if (step.kind === "commit") {
    const { tree, parents } = decodeCommit(raw);
    return [{ digest: tree, kind: "tree" }, ...parents.map((digest) => ({ digest, kind: "commit" }))];
  }
  if (step.kind === "tag") {
    const { target, targetKind } = decodeTag(raw);
    return [{ digest: target, kind: targetKind }];
  }
  return decodeTree(raw).map(({ digest, mode }) => ({ digest, kind: mode === "040000" ? "tree" : "blob" }));
}

async function assertBlob({ store }, digest) {
  const hash = createHash("sha256");
  for await (const bytes of store.objects.readBlob(digest, CALL)) hash.update(bytes);
  if (hash.digest("hex") !== digest) throw new Error(`blob ${digest} was read with other bytes`);
}

/** Reads what the refs reach, at most `limit` objects, and hashes it here. `onFailure` gets what could not be read. */
export async function readEverything(context, onFailure, limit = Infinity, kinds = new Map()) {
  const { store } = context;
  const seen = new Set();
  const stack = [];
  for (const { name: repository } of await store.refs.listRepositories()) {
    for (const { name, digest } of await store.refs.list(repository)) stack.push({ digest, name });
  }
  for (let step = stack.pop(); step !== undefined && seen.size < limit; step = stack.pop()) {
    if (seen.has(step.digest)) continue;
    seen.add(step.digest);
    try {
      const kind = step.kind ?? (await store.objects.stat(step.digest))?.kind ?? "commit";
      kinds.set(step.digest, kind);
      if (kind === "blob") await assertBlob(context, step.digest);
      else stack.push(...objectOf({ ...step, kind }, await store.objects.read(step.digest, kind)));
    } catch (error) {
      onFailure(error);
    }
  }
  return seen.size;
}

function same(a, b) {
  return JSON.stringify(a) === JSON.stringify(b);
}

/** Each file is old or new. */
function wrongFiles(found, { before, after }, isFine = () => false) {
  const names = new Set([found, before.files, after.files].flatMap((files) => Object.keys(files)));
  return [...names]
    .filter((name) => found[name] !== before.files[name] && found[name] !== after.files[name])
    .filter((name) => !isFine(name, found[name], { before, after }))
    .map((name) => `worktree: '${name}' is neither old nor new`);
}

/** The change is there whole or not at all; there when it was acknowledged. */
export function wrongRefs(refs, { expected, acknowledged }) {
  const isNew = same(refs, expected.after.refs);
  if (acknowledged && !isNew) return [`refs: the acknowledged change is not there: ${refs.join(", ")}`];
  const isOld = expected.middle.some((lines) => same(refs, lines));
  return isNew || isOld ? [] : [`refs: neither old nor new: ${refs.join(", ")}`];
}

/** The store is opened by the caller, with no step in between. `acknowledged`: the operation had answered. */
export async function inspect(context, about) {
  const { expected, operation } = about;
  const wrong = wrongRefs(await refsOf(context), about);
  wrong.push(...(await readAndCheck(context)));
  return operation.from === "nothing" ? wrong : [...wrong, ...lookAtFiles(context, operation, expected)];
}

/** What smc wrote of files of people is whole or absent. */
export function lookAtFiles({ desk }, operation, expected) {
  const files = filesOf(desk);
  const wrong = operation.check?.(files, expected) ?? [];
  return [...wrong, ...wrongFiles(files, expected, operation.isFine)];
}

/** What the journal tells of this verb. */
export async function countRecords({ smc, store }, { op }) {
  return (await smc.audit(store, { op }, CALL)).entries.length;
}

/** No file of people is changed without a record, also by a process that was killed. */
export async function wrongRecords(context, operation, { before, records }) {
  if (same(filesOf(context.desk), before.files)) return [];
  const isTold = (await countRecords(context, operation)) > records;
  return isTold ? [] : [`journal: nothing tells of the ${operation.op} that changed files`];
}

/** Every byte, as a reader and as fsck see it. */
export async function readAndCheck(context) {
  const wrong = [];
  await readEverything(context, (error) => wrong.push(`read: ${error.message}`));
  const { problems } = await context.smc.fsck(context.store, { full: true }, CALL);
  for (const { message, digest } of problems) wrong.push(`fsck: ${digest}: ${message}`);
  return wrong;
}

/** What refs reach, by the refs; learned once, packs do not change. */
const reached = new Map();

/**
 * All that the refs reach is in the index, with the places of its chunks and of their parents; no byte is read twice.
 */
export async function find(context) {
  const key = JSON.stringify(await refsOf(context));
  if (!reached.has(key)) {
    const kinds = new Map();
    await readEverything(context, () => undefined, Infinity, kinds);
    reached.set(key, kinds);
  }
  const wrong = [];
  for (const [digest, kind] of reached.get(key)) {
    try {
      if (kind === "blob") await context.store.objects.blob(digest);
      else if ((await context.store.objects.stat(digest))?.kind !== kind)
        wrong.push(`index: no ${kind} ${digest}`);
    } catch (error) {
      wrong.push(`index: ${error.message}`);
    }
  }
  return wrong;
}

/**
 * The worktree can be looked at, and what it staged is in the store; what its files hold after a power cut nobody
 * promised. `acknowledged`: there must be one.
 */
export async function lookAtWorktree(context, acknowledged) {
  if (!existsSync(join(context.desk, ".smc"))) return acknowledged ? ["worktree: it is gone"] : [];
  try {
    await context.smc.status(await repositoryOf(context), {}, CALL);
    for (const line of await staged(context)) await context.store.objects.blob(line.split(" ").at(-1));
    return [];
  } catch (error) {
    return [`worktree: ${error.code}: ${error.message}`];
  }
}

function without(state, forgets = () => false) {
  const files = Object.entries(state.files).filter(([path]) => !forgets(path));
  return { ...state, files: Object.fromEntries(files.sort(([a], [b]) => (a < b ? -1 : 1))) };
}

/** The command is given again: it succeeds, or says that all is done, and then everything is as if it never stopped. */
export async function runAgain(context, operation, expected) {
  try {
    await operation.run(context);
  } catch (error) {
    if (!DONE_BEFORE.has(error.code) && error.code !== operation.doneBefore)
      return [`again: ${error.code}: ${error.message}`];
  }
  const now = without(await describe(context), operation.forgets);
  const after = without(expected.after, operation.forgets);
  return Object.keys(now)
    .filter((part) => !same(now[part], after[part]))
    .map((part) => `again: ${part} differ: ${JSON.stringify(now[part])}`);
}

/** A write that needs nothing but the store: a branch of its own, made and removed. */
export async function writeSomething(context) {
  const names = await context.store.refs.listRepositories();
  if (names.length === 0 || (await context.store.refs.list("demo")).length === 0) return [];
  try {
    const repository = await repositoryOf(context);
    await context.smc.branch(repository, { name: "proof/next", force: true, revision: "main" }, CALL);
    await context.smc.branch(repository, { delete: ["proof/next"], force: true }, CALL);
    return [];
  } catch (error) {
    return [`next write: ${error.code}: ${error.message}`];
  }
}
