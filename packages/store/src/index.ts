export type { Call, Progress } from "./call.ts";
export type { FileCard } from "./layout/file-card.ts";
export { type FilesPlace, modelsOf } from "./layout/folders.ts";
export { breathe } from "./call.ts";
export { assertSafe, isLoopback, parseWebUrl, shownUrl } from "./catalog/web-url.ts";
export type { WebAccess, WebFile } from "./catalog/pull-model.ts";
export type { ConfigKey } from "./config-keys.ts";
export { parseBranchPatterns, parseLinkHost, readConfig } from "./config.ts";
export { scrubNext } from "./check/scrub.ts";
export type { GitSource } from "./imports/git-source.ts";
export { commitOutput } from "./jobs/commit-output.ts";
export { findJob, type JobCard } from "./jobs/job-card.ts";
export {
  claimAttempt,
  JOBS_MAX,
  type JobPlaces,
  jobPlaces,
  jobsFolder,
  readClaim,
  readEnd,
  readJobs,
  removeJob,
  writeJob,
  JOB_ID,
} from "./jobs/job-folder.ts";
export { bestEpoch } from "./jobs/best-epoch.ts";
export type { PreviewImage, PreviewedBatch, PreviewWish } from "./jobs/preview-batch.ts";
export { readHistory, readHistoryEnds } from "./jobs/job-history.ts";
export type { BestEpoch } from "./jobs/best-epoch.ts";
export { storeCheckpoints } from "./jobs/store-checkpoints.ts";
export { type JobProgress, readProgress } from "./jobs/job-progress.ts";
export { logTail, readLog } from "./jobs/job-log.ts";
export type {
  CheckedSettings,
  CommittedLater,
  JobQueue,
  JobsPlace,
  QueueState,
  TrainPlace,
} from "./jobs/job-queue.ts";
export * from "./jobs/job-record.ts";
export { dataSetsOf, mayBeInVersion } from "./data/stored-data.ts";
export { settingsOfPath } from "./data/data-settings.ts";
export { flattenSettings } from "./jobs/train-config.ts";
export { makeWorkingCopy } from "./jobs/working-copy.ts";
export { inLanes } from "./lanes.ts";
export { type Digest, hashBytes, isDigest, parseDigest } from "./objects/digest.ts";
export { assertRepositoryName, parseIdentity, parseRefName } from "./objects/names.ts";
export type { Identity } from "./objects/objects.ts";
export { BundleFile, type Root as BundleRoot } from "./bundle/file.ts";
export { BundlePacks } from "./bundle/packs.ts";
export { PartFile } from "./catalog/part-file.ts";
export { PART_PREFIX } from "./worktree/ignore.ts";
export { PRUNED_PREFIX } from "./refs/refs.ts";
export { openStore, type OwnedStore } from "./open-store.ts";
export { type OwnedRepository, type Repository, requireWorktree } from "./repository.ts";
export {
  findRemote,
  readRemotes,
  type RemoteAbilities,
  type RemoteAccess,
  type RemoteRecord,
} from "./remotes.ts";
export type { RefChange, RefReason } from "./refs/refs.ts";
export type { ByteRange, Store } from "./store.ts";
export { counted } from "./transfer/blocks.ts";
export { decodePackIndex, encodePackIndex, PACK_INDEX_BYTES_MAX } from "./transfer/pack-index.ts";
export {
  assertRemoteRow,
  assertTakesPushes,
  type PackFile,
  type Remote,
  type RemoteRef,
  type RemoteRow,
  type RemoteSweep,
  type SweepOptions,
  type SweptPacks,
} from "./transfer/remote.ts";
export { findToken, isForeignToken, type TokenRecord, type TokenScope } from "./tokens.ts";
export * from "./transfer/remote-gc.ts";
export { INCOMING_PACK_BYTES_MAX, type IncomingPack } from "./transfer/incoming-body.ts";
export type { PushRules } from "./transfer/push-rules.ts";
export { sweepQuarantine } from "./transfer/quarantines.ts";
export { type ServedOptions, ServedRepository } from "./transfer/served.ts";
export type { GateResult } from "./registry/gate.ts";
export type { RoleMove } from "./registry/change-role.ts";
export type { RoleCard, VersionCard } from "./registry/roles.ts";
export type { Restored } from "./worktree/restore-files.ts";
export { exclusively, findWorktree, type Worktree } from "./worktree/worktree.ts";
export * from "./verbs/activate.ts";
export * from "./verbs/add.ts";
export * from "./verbs/archive.ts";
export * from "./verbs/audit.ts";
export * from "./verbs/backbone.ts";
export * from "./verbs/backup.ts";
export * from "./verbs/backups.ts";
export * from "./verbs/branch.ts";
export * from "./verbs/bundle.ts";
export * from "./verbs/cat-file.ts";
export * from "./verbs/cat.ts";
export * from "./verbs/catalog.ts";
export * from "./verbs/data.ts";
export * from "./verbs/challenger.ts";
export * from "./verbs/champion.ts";
export * from "./verbs/changelog.ts";
export * from "./verbs/checkout.ts";
export * from "./verbs/clone.ts";
export * from "./verbs/commit.ts";
export * from "./verbs/compare.ts";
export * from "./verbs/config.ts";
export * from "./verbs/diff.ts";
export * from "./verbs/doctor.ts";
export * from "./verbs/eval.ts";
export * from "./verbs/events.ts";
export { alignedMemory } from "./pack/block-file.ts";
export type { DamagedRecord } from "./pack/reader.ts";
export { type HookOutcome, type HookRecord, noteHook, readHooks } from "./hooks.ts";
export { readPrivate } from "./read-private.ts";
export * from "./verbs/hook.ts";
export { EVENTS, type EventName, eventsOf, JOB_FINISHED, noteIntegrity, type StoreEvent } from "./events.ts";
export { fail, type Finding, pass, runCheck, warn } from "./doctor/row.ts";
export * from "./verbs/download.ts";
export * from "./verbs/du.ts";
export * from "./verbs/env.ts";
export * from "./verbs/export.ts";
export * from "./verbs/fetch.ts";
export * from "./verbs/fsck.ts";
export * from "./verbs/gc.ts";
export * from "./verbs/hash-object.ts";
export * from "./verbs/import.ts";
export * from "./verbs/init.ts";
export * from "./verbs/inspect.ts";
export * from "./verbs/jobs.ts";
export * from "./verbs/layout.ts";
export * from "./verbs/list.ts";
export * from "./verbs/log.ts";
export * from "./verbs/login.ts";
export * from "./verbs/logout.ts";
export * from "./verbs/ls-files.ts";
export * from "./verbs/ls-remote.ts";
export * from "./verbs/ls-tree.ts";
export * from "./verbs/merge.ts";
export * from "./verbs/meta.ts";
export * from "./verbs/mv.ts";
export * from "./verbs/name.ts";
export * from "./verbs/note.ts";
export * from "./verbs/outdated.ts";
export * from "./verbs/promote.ts";
export * from "./verbs/pull.ts";
export * from "./verbs/push.ts";
export * from "./verbs/queue.ts";
export * from "./verbs/rank.ts";
export * from "./verbs/ref.ts";
export * from "./verbs/reflog.ts";
export * from "./verbs/refs.ts";
export * from "./verbs/registry.ts";
export * from "./verbs/remote.ts";
export * from "./verbs/repos.ts";
export * from "./verbs/repack.ts";
export * from "./verbs/reset.ts";
export * from "./verbs/restore-backup.ts";
export * from "./verbs/restore.ts";
export * from "./verbs/rev-parse.ts";
export * from "./verbs/revert.ts";
export * from "./verbs/rollback.ts";
export * from "./verbs/rm.ts";
export * from "./verbs/setup.ts";
export * from "./verbs/show.ts";
export * from "./verbs/status.ts";
export * from "./verbs/switch.ts";
export * from "./verbs/sync.ts";
export * from "./verbs/tag.ts";
export * from "./verbs/token.ts";
export { train, type TrainOptions, type TrainResult } from "./verbs/train.ts";
export * from "./verbs/unarchive.ts";
export * from "./verbs/undelete.ts";
export * from "./verbs/upload.ts";
export * from "./verbs/verify.ts";
export * from "./verbs/versions.ts";
