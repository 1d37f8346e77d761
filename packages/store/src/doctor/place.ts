/** Of `smc doctor`: settings, the worktree, and where the folders of model files are. */
import { isSmcError } from "../errors.ts";
import { CONFIG_KEYS } from "../config-keys.ts";
import { readConfig } from "../config.ts";
import { modelsOf } from "../layout/folders.ts";
import { show } from "../show.ts";
import { readHeadFile } from "../worktree/head.ts";
import { readStage } from "../worktree/stage.ts";
import { findWorktree, type Worktree } from "../worktree/worktree.ts";
import { type Check, type Examined, fail, pass, warn } from "./row.ts";

async function worktreeOf({ store, options }: Examined): Promise<Worktree | undefined> {
  return options.folder === undefined ? undefined : findWorktree(options.folder, store);
}

export const checkConfig: Check = async (examined) => {
  const { store, options } = examined;
  const worktree = await worktreeOf(examined);
  const places = { storePath: store.path, worktreeRoot: worktree?.root, environment: options.environment };
  const { entries, problems } = await readConfig(places);
  const findings = problems.map(({ file, line, message }) =>
    warn(`'${show(file)}', line ${line}: ${message}`, "take the line out"),
  );
  const missing = ["user.name", "user.email"].filter((key) => entries.get(key)?.value === null);
  if (missing.length > 0)
    findings.push(
      warn(
        `${missing.join(" and ")} not set: commits carry the name of your account`,
        'set them with "smc config set user.name …"',
      ),
    );
  return findings.length > 0 ? findings : [pass(`${CONFIG_KEYS.length} settings`)];
};

export const checkWorktree: Check = async (examined) => {
  const { store } = examined;
  const worktree = await worktreeOf(examined);
  if (worktree === undefined) return [pass("not in a worktree")];
  const known = (await store.refs.listRepositories()).some((record) => record.name === worktree.repository);
  const shown = show(worktree.root);
  if (!known) {
    const message = `'${shown}' belongs to repository '${worktree.repository}', which the store does not have`;
    return [fail(message, 'list repositories with "smc repos"')];
  }
  const head = await readHeadFile(worktree.root);
  const stage = await readStage(worktree.root);
  const on = head.kind === "branch" ? head.ref.slice("refs/heads/".length) : head.digest.slice(0, 12);
  if (head.kind === "detached" && (await store.objects.stat(head.digest))?.kind !== "commit") {
    const message = `HEAD is at ${head.digest.slice(0, 12)}, which is no commit of the store`;
    return [fail(message, 'go to a branch with "smc switch"')];
  }
  const count = stage?.entries.size ?? 0;
  return [pass(`'${shown}' on ${on}, ${count} ${count === 1 ? "file" : "files"} tracked`)];
};

/** Undefined when nobody says where the user stands. Settings that cannot be read are the business of another check. */
export async function modelsFolder(examined: Examined): Promise<string | undefined> {
  const { folder } = examined.options;
  if (folder === undefined) return undefined;
  try {
    const root = (await worktreeOf(examined))?.root;
    const { entries } = await readConfig({ storePath: examined.store.path, worktreeRoot: root });
    return modelsOf(root ?? folder, entries);
  } catch (error) {
    if (!isSmcError(error) || error.code === "CANCELED") throw error;
    return modelsOf(folder);
  }
}
