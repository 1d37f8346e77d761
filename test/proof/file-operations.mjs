/**
 * Operations on files of people, which are interrupted too: what smc wrote of them is whole or absent, and what was
 * begun is in the journal. Fields as in operations.mjs, and further: `op`, the verb in the journal; `doneBefore`, the
 * code of what it says when all is done; `isFine(path, digest, expected)` for a file that is neither as before nor as
 * after; `forgets`, paths that are left out when the operation was given again.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { CALL, repositoryOf } from "./operations.mjs";

const DAEMON = new URL("../../packages/daemon/dist/", import.meta.url);
const ACTIVE = "data/models/active/model.safetensors";
const BACKUPS = "data/models/backups/";

async function placeOf(context) {
  const { store, desk } = context;
  return {
    store,
    folder: desk,
    root: desk,
    models: join(desk, "data", "models"),
    actor: "Ada <ada@example.org>",
    openRepository: async () => ({ ...(await repositoryOf(context)), store }),
  };
}

async function remoteOf({ folder, store }) {
  const { openRemote } = await import(new URL("remotes/open-remote.js", DAEMON).href);
  return openRemote(`file://${join(folder, "nas")}`, { store });
}

async function promote(context, revision) {
  const repository = { ...(await repositoryOf(context)), store: context.store };
  await context.smc.promote(repository, { revision, reason: "proof", answer: "yes" }, CALL);
}

async function sync(context) {
  const repository = { ...(await repositoryOf(context)), store: context.store };
  await context.smc.layout(repository, { action: "sync", folder: join(context.desk, "served") }, CALL);
  return [];
}

/** What a backup of the old active file must hold, or the active file is still the old one. */
function keepsOld(files, { before }) {
  const old = before.files[ACTIVE];
  const isKept = Object.entries(files).some(
    ([path, digest]) => digest === old && (path === ACTIVE || path.startsWith(BACKUPS)),
  );
  return isKept ? [] : ["activate: the old file is nowhere"];
}

export const FILE_OPERATIONS = [
  {
    name: "backup",
    from: "base",
    op: "backup",
    doneBefore: "WOULD_OVERWRITE",
    // Its manifest has its place before the copy has, and names the folder, which is another one each time.
    isFine: (path, digest) => path.endsWith("copy.safetensors.json") && digest !== undefined,
    forgets: (path) => path.endsWith("copy.safetensors.json"),
    async run(context) {
      const options = { target: "model.safetensors", name: "copy.safetensors" };
      await context.smc.backup(await placeOf(context), options, CALL);
      return [];
    },
  },
  {
    name: "restore-backup",
    from: "base",
    op: "restore-backup",
    async arrange(context) {
      const options = { target: "model.safetensors", name: "copy.safetensors" };
      await context.smc.backup(await placeOf(context), options, CALL);
    },
    async run(context) {
      await context.smc.restoreBackup(await placeOf(context), { backup: "copy.safetensors" }, CALL);
      return [];
    },
  },
  {
    name: "activate",
    from: "base",
    op: "activate",
    check: keepsOld,
    // A second backup of the same old file, when it was killed after the first.
    isFine: (path) => path.startsWith(BACKUPS),
    forgets: (path) => path.startsWith(BACKUPS),
    async arrange(context) {
      const options = { target: "v1.0.1:model.safetensors", answer: "yes" };
      await context.smc.activate(await placeOf(context), options, CALL);
    },
    async run(context) {
      const options = { target: "v1.0.3:model.safetensors", answer: "yes" };
      await context.smc.activate(await placeOf(context), options, CALL);
      return [];
    },
  },
  {
    name: "layout sync",
    from: "base",
    op: "layout",
    // When files were written is in the marker.
    isFine: (path) => path.endsWith("/.smc-layout.json"),
    forgets: (path) => path.endsWith("/.smc-layout.json"),
    async arrange(context) {
      await promote(context, "v1.0.1");
      await sync(context);
      await promote(context, "v1.0.3");
    },
    run: sync,
  },
  {
    name: "download",
    from: "base",
    op: "download",
    async arrange(context) {
      const { smc, folder } = context;
      mkdirSync(join(folder, "nas"), { recursive: true });
      const remote = await remoteOf(context);
      const options = { file: "model.safetensors", name: "my_model.safetensors" };
      await smc.upload(await placeOf(context), { ...options, remote, remoteName: "origin" }, CALL);
    },
    async run(context) {
      const options = { name: "my_model.safetensors", remote: await remoteOf(context), remoteName: "origin" };
      await context.smc.download(await placeOf(context), options, CALL);
      return [];
    },
  },
  {
    name: "import folder",
    from: "base",
    arrange({ folder }) {
      for (const version of ["2026-01-01", "2026-02-01"]) {
        mkdirSync(join(folder, "old", version), { recursive: true });
        writeFileSync(join(folder, "old", version, "model.bin"), `weights of ${version}\n`.repeat(9000));
      }
    },
    async run(context) {
      const options = { kind: "folder", folder: join(context.folder, "old") };
      const repository = await repositoryOf(context);
      const { tip } = await context.smc.importHistory({ repository }, options, CALL);
      return [tip];
    },
  },
];
