/**
 * A folder of model files that was kept by hand, as a history: versions by the names and dates of files and folders.
 */
import { createHash } from "node:crypto";
import { join } from "node:path";
import type { Call } from "../call.ts";
import { SmcError } from "../errors.ts";
import { momentAt } from "../history/dates.ts";
import type { CommitMeta, Identity } from "../objects/objects.ts";
import { show } from "../show.ts";
import type { Repository } from "../repository.ts";
import { readValues, textIn } from "./folder-metadata.ts";
import { findFiles } from "./find-files.ts";
import {
  type FolderFile,
  type FolderVersion,
  groupFiles,
  inOrder,
  readStem,
  tagOf,
} from "./folder-versions.ts";
import type { ForeignFile, ForeignHistory, ForeignVersion, LeftOut } from "./foreign.ts";

const LEFT_OUT_MAX = 1000;

type Leave = (what: string, why: string) => void;

interface Known {
  readonly version: ForeignVersion;
  readonly files: readonly ForeignFile[];
}

/** Throws PATH_NOT_FOUND, LIMIT_EXCEEDED, FILE_CHANGED, PERMISSION_DENIED, while it is read. */
export function folderHistory(
  repository: Pick<Repository, "store" | "actor">,
  folder: string,
): ForeignHistory {
  const known = new Map<string, Known>();
  const left: LeftOut[] = [];
  const leave: Leave = (what, why) => {
    if (left.length < LEFT_OUT_MAX) left.push({ what, why });
  };
  return {
    kind: "folder",
    isLine: false,
    versions: async (call) => {
      const found = await findFiles(folder, leave, call);
      const { versions, rest } = groupFiles(found);
      if (versions.length === 0)
        throw new SmcError("PATH_NOT_FOUND", `'${show(folder)}' holds no model files; nothing was imported`);
      for (const path of rest) leave(path, "it is of no version");
      const digests = await digestsOf(repository, { folder, versions }, call);
      const described: Described[] = [];
      for (const version of versions) described.push(await describe(folder, version, leave));
      for (const one of inOrder(described)) {
        const made = makeVersion(one, { actor: repository.actor, folder, digests });
        known.set(made.version.id, made);
      }
      return [...known.values()].map(({ version }) => version);
    },
    files: ({ id }) => Promise.resolve(known.get(id)?.files ?? []),
    leftOut: () => left,
  };
}

async function digestsOf(
  { store }: Pick<Repository, "store">,
  { folder, versions }: { folder: string; versions: readonly FolderVersion[] },
  call: Call,
): Promise<Map<string, string>> {
  const paths = versions.flatMap(({ files }) => files.map(({ path }) => path));
  const read = await store.objects.hashFiles(
    paths.map((path) => join(folder, path)),
    call,
  );
  return new Map(paths.map((path, index) => [path, read[index]?.digest ?? ""]));
}

interface Described extends FolderVersion {
  readonly meta: CommitMeta;
  readonly description: string | undefined;
}

/** With what its metadata.json says; the file wins over the name for the version of a role. */
async function describe(folder: string, one: FolderVersion, leave: Leave): Promise<Described> {
  if (one.metadata === undefined) return { ...one, meta: {}, description: undefined };
  const values = await readValues(join(folder, one.metadata));
  if (values === undefined) {
    leave(`what ${one.metadata} says`, "it is no JSON object");
    return { ...one, meta: {}, description: undefined };
  }
  for (const key of values.unused) leave(`${one.metadata}: ${key}`, "it is no number, or one value too many");
  const named = textIn(values.document, "version", "model_version");
  const version = one.version ?? (named === undefined ? undefined : (readStem(named).version ?? named));
  const date = textIn(
    values.document,
    "created",
    "created_at",
    "date",
    "timestamp",
    "trained_at",
    "training_date",
  );
  const ms = date === undefined ? Number.NaN : Date.parse(date);
  const isDate = !Number.isNaN(ms) && ms >= 0;
  if (date !== undefined && !isDate) leave(`${one.metadata}: ${date}`, "it is no date from 1970 on");
  const dateMs = one.dateMs ?? (isDate ? ms : undefined);
  const description = textIn(values.document, "description", "notes");
  return { ...one, version, dateMs, meta: values.meta, description };
}

function makeVersion(
  one: FolderVersion & Partial<Described>,
  { actor, folder, digests }: { actor: Identity; folder: string; digests: ReadonlyMap<string, string> },
): Known {
  const files = one.files.map((file) => foreignFile(file, { folder, digests }));
  const newest = Math.max(...one.files.map(({ mtimeMs }) => mtimeMs));
  const moment = momentAt(Math.max(0, Math.floor(one.dateMs ?? newest)));
  const what =
    one.description ?? (one.version === undefined ? one.name : `${one.name} (${tagOf(one.version)})`);
  const role = one.role === undefined ? {} : { role: one.role };
  return {
    files,
    version: {
      id: idOf(one, files),
      author: actor,
      authored: moment,
      committer: actor,
      committed: moment,
      message: `${what}\n`,
      tags: one.version === undefined ? [] : [{ name: tagOf(one.version) }],
      meta: { ...one.meta, lineage: { from: one.name, ...role } },
      isUpon: one.isUpon,
    },
  };
}

function foreignFile(
  { path, target, sizeBytes, isExecutable }: FolderFile,
  { folder, digests }: { folder: string; digests: ReadonlyMap<string, string> },
): ForeignFile {
  const sha256 = digests.get(path) ?? "";
  const bytes = { kind: "disk", path: join(folder, path), expected: { sha256, isOwn: true } } as const;
  const mode = isExecutable ? "100755" : "100644";
  return { path: target.normalize("NFC"), mode, key: `sha256:${sha256}`, sizeBytes, bytes };
}

/** The same for the same names and bytes, wherever the folder lies and whoever imports it. */
function idOf({ name }: FolderVersion, files: readonly ForeignFile[]): string {
  const hash = createHash("sha256");
  hash.update(JSON.stringify([name, ...files.map(({ path, key }) => [path, key]).sort()]));
  return hash.digest("hex");
}
