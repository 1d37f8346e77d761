/**
 * The operations that are interrupted. To add one: an entry of OPERATIONS. `arrange` brings a copy of the base
 * state to where the operation starts; `run` is what is interrupted and returns the ids that it made.
 */
import { chmodSync, mkdirSync, readdirSync, rmSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const DATE = "2026-01-01T00:00:00Z";
export const CALL = { signal: new AbortController().signal, onProgress: () => undefined };
const ACTOR = { name: "Ada", email: "ada@example.org" };

/** bf16 weights; a version differs from the one before by a unit in the last place here and there. */
function weights(count, version) {
  const values = new Uint16Array(count);
  let state = 12_345;
  for (let index = 0; index < count; index += 1) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    values[index] = 0x3c00 + (state >>> 24) + (state % (7 + version) === 0 ? version : 0);
  }
  return Buffer.from(values.buffer);
}

function safetensors(version) {
  const tensors = { "a.weight": weights(40_000, version), "b.bias": weights(300, version) };
  let at = 0;
  const header = Object.entries(tensors).map(([name, { length }]) => [
    name,
    { dtype: "BF16", shape: [length / 2], data_offsets: [at, (at += length)] },
  ]);
  const text = JSON.stringify(Object.fromEntries(header));
  const padded = text.padEnd(Math.ceil(text.length / 8) * 8, " ");
  const length = Buffer.alloc(8);
  length.writeUInt32LE(padded.length);
  return Buffer.concat([length, Buffer.from(padded), ...Object.values(tensors)]);
}

function write({ desk }, path, bytes) {
  const full = join(desk, path);
  mkdirSync(join(full, ".."), { recursive: true });
  writeFileSync(full, bytes);
}

/** The repository as a verb sees it. */
export async function repositoryOf({ smc, store, desk }) {
  const worktree = await smc.findWorktree(desk, store);
  return { store, name: "demo", worktree, actor: ACTOR, defaultBranch: "main" };
}

async function addAll(context) {
  await context.smc.add(await repositoryOf(context), { paths: [], all: true }, CALL);
}

async function commitAll(context, message) {
  await addAll(context);
  const { digest } = await context.smc.commit(await repositoryOf(context), { message, date: DATE }, CALL);
  return digest;
}

/** Several commits on two branches, each in packs of its own; main is checked out. */
export async function makeBase(context) {
  const { smc, store, desk } = context;
  mkdirSync(desk, { recursive: true });
  await smc.init(store, { folder: desk, name: "demo" }, CALL);
  for (let version = 1; version <= 3; version += 1) {
    write(context, "model.safetensors", safetensors(version));
    write(context, "notes/readme.md", `version ${version}\n`);
    write(context, `data/only-${version}.txt`, `part of version ${version}\n`);
    await commitAll(context, `version ${version}`);
    const repository = await repositoryOf(context);
    await smc.tag(repository, { name: `v1.0.${version}`, message: `release ${version}` }, CALL);
    if (version === 2) await smc.branch(repository, { name: "side" }, CALL);
  }
  await smc.checkout(await repositoryOf(context), { revision: "side" }, CALL);
  write(context, "side.txt", "only on side\n");
  await commitAll(context, "on the side");
  await smc.checkout(await repositoryOf(context), { revision: "main" }, CALL);
}

function edit(context) {
  write(context, "model.safetensors", safetensors(9));
  write(context, "new/file.bin", weights(2000, 5));
  rmSync(join(context.desk, "data", "only-1.txt"));
}

/** Leaves packs of which some is needed and some is not, and some that nothing is needed of. */
async function loseSide(context) {
  const { smc, store } = context;
  await smc.repack(store, {}, CALL);
  write(context, "again.txt", "a commit of its own pack\n");
  await smc.checkout(await repositoryOf(context), { revision: "side" }, CALL);
  await commitAll(context, "on the side again");
  await smc.checkout(await repositoryOf(context), { revision: "main" }, CALL);
  await smc.branch(await repositoryOf(context), { delete: ["side"], force: true }, CALL);
}

/** The two largest packs lose their ends: what they hold can still be read, and has to be written into others. */
function cutPacks({ home }) {
  const packs = readdirSync(join(home, "packs"), { recursive: true })
    .filter((name) => name.endsWith(".pack"))
    .map((name) => join(home, "packs", name))
    .sort((a, b) => statSync(b).size - statSync(a).size);
  for (const pack of packs.slice(0, 2)) {
    chmodSync(pack, 0o600);
    truncateSync(pack, statSync(pack).size - 64);
  }
}

/** What the next commit would hold. */
export async function staged({ smc, store, desk }) {
  const rows = await smc.lsFiles(await repositoryOf({ smc, store, desk }), {}, CALL);
  return rows.map(({ path, digest }) => `${path} ${digest}`);
}

/**
 * `from`: the state it starts in: "base", or "nothing" for the one that makes the store. `mends`: that state is
 * damaged; what is not mended by the time of a fault is when the operation is given again.
 */
export const OPERATIONS = [
  {
    name: "init",
    from: "nothing",
    async run(context) {
      const { smc, home, desk } = context;
      context.store ??= await smc.openStore(home, { create: true });
      await smc.init(context.store, { folder: desk, name: "demo" }, CALL);
      return [];
    },
  },
  {
    name: "add",
    from: "base",
    arrange: edit,
    async run(context) {
      await addAll(context);
      return staged(context);
    },
  },
  {
    name: "commit",
    from: "base",
    async arrange(context) {
      edit(context);
      await addAll(context);
    },
    async run(context) {
      const { smc } = context;
      const { digest } = await smc.commit(
        await repositoryOf(context),
        { message: "edited", date: DATE, metrics: { loss: 0.5 } },
        CALL,
      );
      return [digest];
    },
  },
  {
    name: "tag",
    from: "base",
    async run(context) {
      const { smc } = context;
      const options = { name: "v2.0.0", message: "the second" };
      return (await smc.tag(await repositoryOf(context), options, CALL)).tags.map(({ digest }) => digest);
    },
  },
  {
    name: "branch",
    from: "base",
    async run(context) {
      await context.smc.branch(await repositoryOf(context), { name: "topic", revision: "side" }, CALL);
      return [];
    },
  },
  {
    // Champion, challenger and archive in one change.
    name: "promote",
    from: "base",
    async arrange(context) {
      const { smc } = context;
      const repository = { ...(await repositoryOf(context)), store: context.store };
      await smc.promote(repository, { revision: "v1.0.1", reason: "first", answer: "yes" }, CALL);
      await smc.challenger(repository, { revision: "v1.0.3" }, CALL);
    },
    async run(context) {
      const repository = { ...(await repositoryOf(context)), store: context.store };
      const options = { revision: "v1.0.3", reason: "better", answer: "yes" };
      const { moved, to } = await context.smc.promote(repository, options, CALL);
      return moved ? [to.commit] : [];
    },
  },
  {
    name: "checkout",
    from: "base",
    async run(context) {
      const revision = "side";
      return [(await context.smc.checkout(await repositoryOf(context), { revision }, CALL)).digest];
    },
  },
  {
    name: "merge",
    from: "base",
    async run(context) {
      const options = { revision: "side", message: "joined" };
      return [(await context.smc.merge(await repositoryOf(context), options, CALL)).digest];
    },
  },
  {
    name: "repack",
    from: "base",
    async run({ smc, store }) {
      const { problems } = await smc.repack(store, { again: true }, CALL);
      return problems;
    },
  },
  {
    name: "gc",
    from: "base",
    arrange: loseSide,
    async run({ smc, store }) {
      return (await smc.gc(store, { olderThan: "0", grace: "0" }, CALL)).notes;
    },
  },
  {
    name: "undelete",
    from: "base",
    async arrange(context) {
      await loseSide(context);
      await context.smc.gc(context.store, { olderThan: "0" }, CALL);
    },
    async run({ smc, store }) {
      await smc.undelete(store, {}, CALL);
      return [];
    },
  },
  {
    name: "fsck --rebuild",
    from: "base",
    async run({ smc, store }) {
      return (await smc.fsck(store, { rebuild: true }, CALL)).problems;
    },
  },
  {
    name: "fsck --repair",
    from: "base",
    mends: true,
    arrange: cutPacks,
    async run({ smc, store }) {
      return (await smc.fsck(store, { repair: true }, CALL)).problems;
    },
  },
];
