/** The task of the lane that damages files: changes bytes of a copy, then reads everything that can be read. */
import { createHash } from "node:crypto";
import {
  closeSync,
  copyFileSync,
  ftruncateSync,
  openSync,
  readFileSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { dist } from "./inject.mjs";
import { CALL, repositoryOf } from "./operations.mjs";
import { readEverything, refsOf } from "./oracles.mjs";
import { copy, placesOf } from "./places.mjs";

const { markOpen } = await import(new URL("db/db-recovery.js", dist).href);

function change(path, change) {
  const fd = openSync(path, "r+");
  try {
    change(fd);
  } finally {
    closeSync(fd);
  }
}

const WAYS = {
  flip: (path, { at, bit }) =>
    change(path, (fd) => {
      const byte = Buffer.alloc(1);
      readSync(fd, byte, 0, 1, at);
      byte[0] ^= 1 << bit;
      writeSync(fd, byte, 0, 1, at);
    }),
  truncate: (path, { at }) => change(path, (fd) => ftruncateSync(fd, at)),
  zero: (path, { at, length }) =>
    change(path, (fd) =>
      writeSync(fd, Buffer.alloc(Math.min(length, statSync(path).size - at)), 0, undefined, at),
    ),
  overwrite: (path, { at, hex }) =>
    change(path, (fd) => writeSync(fd, Buffer.from(hex, "hex"), 0, undefined, at)),
  append: (path, { text }) => writeFileSync(path, text, { flag: "a" }),
  remove: (path) => rmSync(path),
  swap: (path, { other }, folder) => {
    const second = join(folder, other);
    renameSync(path, `${path}.away`);
    renameSync(second, path);
    renameSync(`${path}.away`, second);
  },
  copyOver: (path, { other }, folder) => copyFileSync(join(folder, other), path),
  /** The pieces [from, to) of the file, in this order, instead of the whole. */
  splice: (path, { pieces }) => {
    const bytes = readFileSync(path);
    writeFileSync(path, Buffer.concat(pieces.map(([from, to]) => bytes.subarray(from, to))));
  },
};

function isKnown(error) {
  return typeof error.code === "string" && typeof error.exit === "number" && error.code !== "INTERNAL";
}

/** Files written out are another way of reading than streams. */
async function exportAll(context, kinds, onFailure) {
  const { store, folder } = context;
  const path = join(folder, "exported");
  for (const [digest, kind] of kinds) {
    if (kind !== "blob") continue;
    rmSync(path, { force: true });
    try {
      await store.objects.exportFiles([{ digest, path, executable: false }], CALL);
    } catch (error) {
      onFailure(error);
      continue;
    }
    const found = createHash("sha256").update(readFileSync(path)).digest("hex");
    if (found !== digest) onFailure(new Error(`blob ${digest} was written out with other bytes`));
  }
}

async function useStore(context, { kinds, refs }) {
  const { smc, store } = context;
  const failures = [];
  const onFailure = (error) => failures.push(error);
  let found = await refsOf(context).catch(onFailure);
  if (typeof found === "number") found = undefined;
  await readEverything(context, onFailure);
  await exportAll(context, kinds, onFailure);
  let problems = [];
  try {
    ({ problems } = await smc.fsck(store, { full: true }, CALL));
  } catch (error) {
    onFailure(error);
    problems = [{ message: error.message }];
  }
  const worktree = await repositoryOf(context)
    .then((repository) => smc.status(repository, {}, CALL))
    .then(
      () => undefined,
      (error) => error,
    );
  return {
    wrong: [...failures, ...(worktree === undefined ? [] : [worktree])]
      .filter((error) => !isKnown(error))
      .map((error) => String(error.stack)),
    failures: failures.map(({ code, message }) => `${code}: ${message}`),
    problems: problems.map(({ message }) => message),
    sameRefs: JSON.stringify(found) === JSON.stringify(refs),
    worktree: worktree?.code,
  };
}

/** One damage: {start, folder, path, way, …} → how it was met. `known`: refs and kinds of what they reach. */
export async function damaged({ start, folder, path, way, left, withoutDb, known, ...how }) {
  copy(start, folder);
  if (withoutDb) rmSync(join(folder, "home", "db"), { recursive: true });
  if (left === "by a kill") await markOpen(join(folder, "home", "db"));
  if (left === "by a power cut") rmSync(join(folder, "home", "db.clean"), { force: true });
  WAYS[way](join(folder, path), how, folder);
  const context = placesOf(folder);
  try {
    context.store = await context.smc.openStore(context.home);
  } catch (error) {
    return {
      opened: false,
      code: error.code,
      exit: error.exit,
      wrong: isKnown(error) ? [] : [String(error.stack)],
    };
  }
  try {
    return { opened: true, ...(await useStore(context, known)) };
  } finally {
    await context.store[Symbol.asyncDispose]().catch(() => undefined);
  }
}

/** Closed and opened, so that LevelDB has tables; what the refs reach. */
export async function survey({ start, folder }) {
  copy(start, folder);
  const context = placesOf(folder);
  for (let round = 0; round < 2; round += 1) {
    context.store = await context.smc.openStore(context.home);
    const kinds = new Map();
    await readEverything(
      context,
      (error) => {
        throw error;
      },
      Infinity,
      kinds,
    );
    const refs = await refsOf(context);
    await context.store[Symbol.asyncDispose]();
    if (round === 1) return { kinds: [...kinds], refs };
  }
  return undefined;
}
