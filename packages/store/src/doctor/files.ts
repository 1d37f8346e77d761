/** Of `smc doctor`: are model files whole, are their digests right, may we read and write where they are. */
import { constants } from "node:fs";
import { access, stat } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { Backup } from "../backup/read-backup.ts";
import { createPacer } from "../call.ts";
import { fromErrno, isSmcError } from "../errors.ts";
import { kindAt, type LayoutFile, listFiles, MODEL_FOLDERS } from "../layout/folders.ts";
import { show } from "../show.ts";
import { nearest } from "./machine.ts";
import { modelsFolder } from "./place.ts";
import { type Check, type Examined, fail, type Finding, pass, warn } from "./row.ts";

const FILES_MAX = 10_000;
/** The newest ones; each is looked into. */
const LOOKED_INTO_MAX = 100;
/** Of backups, the newest first: a doctor has no hour. */
const READ_BYTES_MAX = 2 ** 30;
const INSPECT_TIMEOUT_MS = 10_000;
const MANIFEST = ".json";
const AGAIN = "copy, download or restore it again";

type Known = Pick<LayoutFile, "path" | "sizeBytes">;

/** Files of the layout, the newest first, and those that were named before them. */
async function filesOf(examined: Examined): Promise<{ named: Known[]; listed: Known[] }> {
  const { folder = "/", files = [] } = examined.options;
  const named: Known[] = [];
  for (const text of files) {
    const path = resolve(folder, text);
    try {
      named.push({ path, sizeBytes: (await stat(path)).size });
    } catch (error) {
      throw fromErrno(error, `cannot look at '${show(text)}'`);
    }
  }
  const models = await modelsFolder(examined);
  if (models === undefined) return { named, listed: [] };
  const found: LayoutFile[] = [];
  for (const name of MODEL_FOLDERS) {
    const path = join(models, name);
    if ((await kindAt(path)) === "folder") found.push(...(await listFiles(path, FILES_MAX)));
  }
  return { named, listed: found.sort((a, b) => (a.date < b.date ? 1 : -1)) };
}

/** Empty files, and files that break the rules of their format: what an upload or a download that broke leaves. */
export const checkSize: Check = async (examined) => {
  const { named, listed } = await filesOf(examined);
  const pace = createPacer(examined.call);
  const findings: Finding[] = [];
  const all = [...named, ...listed];
  for (const [position, { path, sizeBytes }] of all.entries()) {
    const shown = `'${show(path)}'`;
    if (sizeBytes === 0) findings.push(fail(`${shown} is empty`, AGAIN));
    else if (position < named.length + LOOKED_INTO_MAX && !path.endsWith(MANIFEST)) {
      const problem = await problemOf(examined, path);
      if (problem !== null)
        findings.push(fail(`${shown}, ${sizeBytes} bytes: ${problem}`, `see "smc inspect"; ${AGAIN}`));
    }
    await pace();
  }
  const [only] = named;
  if (findings.length > 0) return findings;
  return [
    named.length === 1 && only !== undefined
      ? pass(`'${show(only.path)}' has ${only.sizeBytes} bytes`)
      : pass(`${all.length} model files, none empty or cut off`),
  ];
};

async function problemOf({ store, call }: Examined, path: string): Promise<string | null> {
  const timeout = AbortSignal.timeout(INSPECT_TIMEOUT_MS);
  const input = { path, folder: dirname(path), fileName: basename(path) };
  try {
    const signal = AbortSignal.any([call.signal, timeout]);
    return (await store.pool.run("inspect", input, { signal })).problem;
  } catch (error) {
    if (!isSmcError(error) || call.signal.aborted) throw error;
    return error.code === "CANCELED" ? "it could not be understood in time" : error.message;
  }
}

/**
 * SHA-256 and MD5 of backups against their manifests; of a file that was named, against the store where no manifest is.
 */
export const checkDigest: Check = async (examined) => {
  const { call } = examined;
  const { named } = await filesOf(examined);
  const findings: Finding[] = [];
  for (const file of named) findings.push(await compareNamed(examined, file));
  const models = await modelsFolder(examined);
  const backups = models === undefined ? undefined : join(models, "backups");
  let readBytes = 0;
  let right = 0;
  let unread = 0;
  const listed =
    backups !== undefined && (await kindAt(backups)) === "folder" ? await listFiles(backups, FILES_MAX) : [];
  for (const file of listed.sort((a, b) => (a.date < b.date ? 1 : -1))) {
    readBytes += file.sizeBytes;
    const isOver = readBytes > READ_BYTES_MAX && right > 0;
    const finding = isOver ? undefined : await verified(file, call);
    if (isOver) unread += 1;
    else if (finding?.state === "pass") right += 1;
    else if (finding !== undefined) findings.push(finding);
  }
  const rest = unread === 0 ? "" : `; ${unread} older files were not read: "smc backups verify" reads all`;
  return [...findings, pass(`${right} backups are byte for byte what they were${rest}`)];
};

/** Undefined for what is no backup. */
async function verified({ path }: Known, call: Examined["call"]): Promise<Finding | undefined> {
  try {
    await using backup = await Backup.open(path, call);
    await backup.verify(call);
    return pass(`'${show(path)}' is what its manifest says`);
  } catch (error) {
    if (isSmcError(error, "FILE_MALFORMED")) return undefined;
    if (!isSmcError(error, "OBJECT_CORRUPT")) throw error;
    return fail(error.message, "restore from another backup, and make this one anew");
  }
}

async function compareNamed({ store, call }: Examined, file: Known): Promise<Finding> {
  const finding = await verified(file, call);
  if (finding !== undefined) return finding;
  const [read] = await store.objects.hashFiles([file.path], call);
  const digest = read?.digest;
  if (digest === undefined) return warn(`'${show(file.path)}' was not read`, AGAIN);
  const isStored = (await store.objects.stat(digest)) !== undefined;
  const what = `'${show(file.path)}' has SHA-256 ${digest}`;
  if (isStored) return pass(`${what}, as the store has it`);
  return warn(`${what}; nothing here tells what it must be`, "compare it with what its publisher says");
}

/** May this process read and write in the folders of model files, and read the files that were named? */
export const checkPermissions: Check = async (examined) => {
  const { options } = examined;
  const findings: Finding[] = [];
  for (const text of options.files ?? [])
    findings.push(...(await allowed(resolve(options.folder ?? "/", text), "read")));
  const models = await modelsFolder(examined);
  if (models === undefined) return [...findings, pass("no folders of model files")];
  const folders = [models, ...MODEL_FOLDERS.map((name) => join(models, name))];
  for (const path of folders) {
    const kind = await kindAt(path);
    if (kind === "folder") findings.push(...(await allowed(path, "write")));
    else if (kind !== undefined)
      findings.push(
        fail(`'${show(path)}' is no folder`, "move it away, or choose another folder with layout.folder"),
      );
  }
  const above = await nearest(models);
  if (above !== undefined && above !== models) findings.push(...(await allowed(above, "write")));
  return findings.length > 0 ? findings : [pass(`you may read and write in '${show(models)}'`)];
};

async function allowed(path: string, how: "read" | "write"): Promise<Finding[]> {
  const mode = how === "read" ? constants.R_OK : constants.R_OK | constants.W_OK | constants.X_OK;
  try {
    await access(path, mode);
    return [];
  } catch (error) {
    const known = fromErrno(error, `you may not ${how} '${show(path)}'`);
    if (!isSmcError(known)) throw known;
    return [
      fail(
        known.message,
        how === "read" ? "chmod u+r it, or chown it to you" : "chmod u+rwx it, or chown it",
      ),
    ];
  }
}
