/**
 * The tasks of the lane that makes write calls fail: one fault in one operation on a copy of its start, then the
 * oracles.
 */
import { rmSync } from "node:fs";
import { join } from "node:path";
import { arm, disarm } from "./inject.mjs";
import { operationOf } from "./find-operation.mjs";
import {
  find,
  inspect,
  lookAtFiles,
  lookAtWorktree,
  readAndCheck,
  readEverything,
  refsOf,
  runAgain,
  writeSomething,
  wrongRecords,
  wrongRefs,
} from "./oracles.mjs";
import { boot, copy, open, placesOf } from "./places.mjs";

/** Objects that are read to see that reading goes on. */
const READS = 12;

const CODES = {
  ENOSPC: "DISK_FULL",
  EDQUOT: "DISK_FULL",
  EACCES: "PERMISSION_DENIED",
  EROFS: "READ_ONLY",
  EIO: "IO_FAILED",
  EMFILE: "IO_FAILED",
};

/** The right code, and the class of local failures. */
function wrongError(error, errno) {
  const isRight = error.exit === 11 && (error.code === CODES[errno] || error.code === "READ_ONLY");
  return isRight ? [] : [`error: ${errno} was told as ${error.code ?? error.stack}: ${error.message}`];
}

async function tryOnce(context, operation, { mode, at, errno }) {
  arm({ mode, at, errno });
  let failure;
  try {
    await operation.run(context);
  } catch (error) {
    failure = error;
  }
  return { ...disarm(), failure };
}

/**
 * A store that takes no writes says so, and takes them again once it was opened anew. It is the journal that must have
 * met the fault: first, or by the record of a file operation that failed, where the fault lasts.
 */
async function readOnlyUntilOpened(context, { hit, isRecorded }) {
  const wrong = [];
  if (!isRecorded && !/journal/.test(hit ?? "")) wrong.push(`read-only after '${hit}'`);
  try {
    const reason = { op: "proof", reason: "proof", actor: "Ada <ada@example.org>" };
    await context.store.refs.createRepository("proof-refused", reason);
    wrong.push("read-only: a write was taken all the same");
  } catch (error) {
    if (error.code !== "READ_ONLY") wrong.push(`read-only: told as ${error.code}: ${error.message}`);
  }
  return wrong;
}

/** One fault: {name, start, folder, expected, mode, at, errno} → what was hit and what does not hold. */
export async function failing({ name, start, folder, expected, ...fault }) {
  const operation = operationOf(name);
  copy(start, folder);
  const context = placesOf(folder);
  try {
    if (operation.from !== "nothing") context.store = await open(context, operation);
    const { failure, ...met } = await tryOnce(context, operation, fault);
    const wrong = failure === undefined ? [] : wrongError(failure, fault.errno);
    // A process that cannot open its store ends; its lock is then nobody's.
    if (context.store === undefined) rmSync(join(context.home, "run"), { recursive: true, force: true });
    context.store ??= await open(context, operation);
    await readEverything(context, (error) => wrong.push(`reads go on: ${error.message}`), READS);
    const reason = context.store.readOnlyReason;
    if (reason === undefined && /^sync .*journal\/\d+\.log$/.test(met.first ?? "")) {
      wrong.push("writing goes on after a failed fsync");
    }
    if (reason !== undefined) {
      const isRecorded = operation.op !== undefined && fault.mode === "for-ever";
      wrong.push(...(await readOnlyUntilOpened(context, { hit: met.first, isRecorded })));
      await reopen(context, operation);
    }
    const acknowledged = failure === undefined;
    if (operation.mends) wrong.push(...(await mendAgain(context, operation, expected)));
    wrong.push(...(await inspect(context, { expected, acknowledged, operation })));
    wrong.push(...(await writeSomething(context)));
    wrong.push(...(await runAgain(context, operation, expected)));
    await reopen(context, operation);
    wrong.push(...(await lastLook(context, expected)));
    return { ...met, wrong, wasReadOnly: reason !== undefined };
  } finally {
    await context.store?.[Symbol.asyncDispose]();
  }
}

async function reopen(context, operation) {
  await context.store[Symbol.asyncDispose]();
  context.store = await open(context, operation);
}

/** What refs need can be read whole before anything is mended, and then fsck finds nothing more. */
async function mendAgain(context, operation, expected) {
  const wrong = [];
  await readEverything(context, (error) => wrong.push(`not mended yet: ${error.message}`));
  return [...wrong, ...(await runAgain(context, operation, expected))];
}

async function lastLook(context, expected) {
  const refs = await refsOf(context);
  const isSame = JSON.stringify(refs) === JSON.stringify(expected.after.refs);
  return isSame ? [] : [`opened anew: other refs: ${refs.join(", ")}`];
}

/** The process that runs this is killed at call `at`; otherwise it tells how many calls there were. */
export async function killed({ name, start, folder, at }) {
  const operation = operationOf(name);
  copy(start, folder);
  const places = placesOf(folder);
  const context = { ...places };
  if (operation.from !== "nothing") context.store = await open(context, operation);
  arm({ mode: "kill", at });
  await operation.run(context);
  const { calls } = disarm();
  await context.store[Symbol.asyncDispose]();
  return { calls };
}

/** What is left of a process that was killed. */
export async function survived({ name, folder, expected, acknowledged }) {
  const operation = operationOf(name);
  const context = placesOf(folder);
  context.store = await open(context, operation);
  try {
    const wrong = operation.mends ? await mendAgain(context, operation, expected) : [];
    wrong.push(...(await inspect(context, { expected, acknowledged, operation })));
    if (operation.op !== undefined) wrong.push(...(await wrongRecords(context, operation, expected)));
    wrong.push(...(await writeSomething(context)));
    wrong.push(...(await runAgain(context, operation, expected)));
    return wrong;
  } finally {
    await context.store[Symbol.asyncDispose]();
  }
}

/**
 * What a power cut left. `packsRead`, `worktreeSeen`: the same bytes were looked at before; `writes`: something is
 * written, and the store opened once more.
 */
export async function restarted({ name, folder, expected, acknowledged, packsRead, worktreeSeen, writes }) {
  const operation = operationOf(name);
  const context = placesOf(folder);
  boot(context);
  context.store = await open(context, operation);
  try {
    const about = { expected, acknowledged };
    const wrong = wrongRefs(await refsOf(context), about);
    const { wasUnclean, placeCounts } = context.store.db;
    if (wasUnclean && placeCounts === undefined) wrong.push("LevelDB: a power cut was taken for a kill");
    if (operation.mends) {
      // An index that had to be made anew does not know what packs without an end hold, until they are mended.
      wrong.push(...(await runAgain(context, operation, expected)));
      return [...wrong, ...(await readAndCheck(context))];
    }
    wrong.push(...(packsRead ? await find(context) : await readAndCheck(context)));
    if (!worktreeSeen || writes) wrong.push(...(await lookAtWorktree(context, acknowledged)));
    if (operation.op !== undefined) wrong.push(...lookAtFiles(context, operation, expected));
    if (!writes) return wrong;
    wrong.push(...(await writeSomething(context)));
    if (operation.op !== undefined) wrong.push(...(await runAgain(context, operation, expected)));
    await reopen(context, operation);
    return [...wrong, ...wrongRefs(await refsOf(context), about).map((text) => `opened again: ${text}`)];
  } finally {
    await context.store[Symbol.asyncDispose]();
  }
}
