/** `smc upload`: a file becomes a commit of its own and goes to a remote, where others find it by its name. */
import { basename } from "node:path";
import { digestsOf } from "../backup/digests.ts";
import type { Call } from "../call.ts";
import { nowMs } from "../clock.ts";
import { SmcError } from "../errors.ts";
import { momentAt } from "../history/dates.ts";
import { type FilesPlace, kindAt, pathOf } from "../layout/folders.ts";
import { findBadName } from "../layout/model-names.ts";
import { readUpload, trackedUpload, type UploadedFile, uploadMeta, uploadRef } from "../layout/uploads.ts";
import type { Digest } from "../objects/digest.ts";
import { assertMessage, type RefName } from "../objects/names.ts";
import { encodeCommit } from "../objects/objects.ts";
import type { OwnedRepository } from "../repository.ts";
import { show } from "../show.ts";
import { assertTakesPushes, type Remote } from "../transfer/remote.ts";
import { writeTree } from "../trees/tree-write.ts";
import { fileModeOf } from "../worktree/stat.ts";
import { exclusively } from "../worktree/worktree.ts";
import { fetchAs } from "./fetch.ts";
import { pushAs } from "./push.ts";

export interface UploadOptions {
  readonly file: string;
  /** What it is called there; its own name when left out. */
  readonly name?: string;
  readonly description?: string;
  readonly remote: Remote;
  /** Its name here. */
  readonly remoteName: string;
}

export interface UploadResult extends UploadedFile {
  readonly remote: string;
  readonly url: string;
  /** The branch there. */
  readonly ref: string;
  /** The commit that was there before; null for a new name. */
  readonly before: Digest | null;
  /** False when the same bytes were there under that name, with that description. */
  readonly isNew: boolean;
  readonly sentBytes: number;
  /** Its name, when it is a model file that `name.pattern` does not fit. */
  readonly badNames: readonly string[];
}

/**
 * A name that is there already gets one more commit: what was uploaded before stays. Branches of the user, stage and
 * worktree are not touched. Throws PATH_NOT_FOUND, PATH_INVALID, MESSAGE_INVALID, FILE_CHANGED, REF_CHANGED,
 * REMOTE_UNREACHABLE, REMOTE_FAILED.
 */
export async function upload(place: FilesPlace, options: UploadOptions, call: Call): Promise<UploadResult> {
  const { remote, remoteName, description } = options;
  assertTakesPushes(remote);
  const path = pathOf(place, options.file);
  if ((await kindAt(path)) !== "file")
    throw new SmcError("PATH_NOT_FOUND", `there is no file '${show(path)}'; nothing was uploaded`);
  const ref = uploadRef(options.name ?? basename(path));
  if (description !== undefined) assertMessage(description);
  const repository = await place.openRepository();
  return exclusively({ root: `upload of ${ref} in ${repository.name}` }, call, async () => {
    const before = await takeTip(repository, { ...options, ref }, call);
    const stored = await store(repository, { path, ref, before, description }, call);
    const badNames = await findBadName(repository, basename(ref));
    const there = { remote: remoteName, url: remote.url, ref, before: before?.commit ?? null, badNames };
    const told = { ...stored, ...there };
    if (stored.commit === before?.commit) return { ...told, isNew: false, sentBytes: 0 };
    const words = { remote, remoteName, refs: [`${stored.commit}:${ref}`], op: "upload" };
    return { ...told, isNew: true, sentBytes: (await pushAs(repository, words, call)).sentBytes };
  });
}

interface Upload {
  readonly path: string;
  readonly ref: RefName;
  readonly before: { readonly commit: Digest; readonly file: UploadedFile | undefined } | undefined;
  readonly description: string | undefined;
}

/** What is there by that name, brought here: the new commit is to follow it. */
async function takeTip(
  repository: OwnedRepository,
  { remote, remoteName, ref }: UploadOptions & { readonly ref: RefName },
  call: Call,
): Promise<Upload["before"]> {
  const there = (await remote.refs(call)).find(({ name }) => name === ref)?.digest;
  if (there === undefined) return undefined;
  const { store, name } = repository;
  const known = await store.refs.read(name, trackedUpload(remoteName, ref));
  if (known !== there) await fetchAs(repository, { remote, remoteName, refs: [ref], op: "upload" }, call);
  return { commit: there, file: await readUpload(store, { commit: there, name: basename(ref) }) };
}

/** The file and its commit in this store; the commit before when nothing is new. Throws FILE_CHANGED. */
async function store(
  { store, actor }: OwnedRepository,
  { path, ref, before, description }: Upload,
  call: Call,
): Promise<UploadedFile> {
  const name = basename(ref);
  await using session = store.write("upload");
  const parents = before?.file === undefined ? [] : [{ digest: before.file.sha256, fileName: name }];
  const [read] = await session.addFiles([{ path, parents }], call);
  if (read === undefined) throw new SmcError("INTERNAL", "a file was added without a result");
  const { md5, sha256 } = await digestsOf(path, call);
  if (sha256 !== read.digest)
    throw new SmcError("FILE_CHANGED", `'${show(path)}' changed while it was read; nothing was uploaded`);
  const old = before?.file;
  const isSame = old?.sha256 === sha256 && (description === undefined || description === old.description);
  if (old !== undefined && isSame) return old;
  const now = momentAt(nowMs());
  const { digest, sizeBytes, stat } = read;
  const mode = fileModeOf(stat);
  const uploaded = new Date(now.ms).toISOString();
  const file = { name, sizeBytes, sha256: digest, md5, uploaded, originalPath: path };
  const told = { ...file, description: description ?? null };
  const persons = { author: actor, authored: now, committer: actor, committed: now };
  const tree = await writeTree(session, new Map([[name, { mode, digest, sizeBytes }]]), call);
  const commit = await session.putObject(
    "commit",
    encodeCommit({
      tree,
      parents: before === undefined ? [] : [before.commit],
      ...persons,
      message: `Upload ${name}`,
      meta: uploadMeta(told),
    }),
  );
  await session.finish();
  return { ...told, commit, mode };
}
