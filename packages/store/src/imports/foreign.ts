/** A history that another program keeps, as it is imported: versions in their order, and the files of each. */
import type { Call } from "../call.ts";
import type { CommitMeta, FileMode, Identity, MetaMap, Moment } from "../objects/objects.ts";

export const IMPORT_KINDS = ["folder", "dvc", "git-lfs"] as const;
export type ImportKind = (typeof IMPORT_KINDS)[number];

/** Versions of one import. */
export const VERSIONS_MAX = 100_000;
/** Files of one version. */
export const FILES_MAX = 1_000_000;

export interface ForeignTag {
  readonly name: string;
  /** With a message and who made it. */
  readonly note?:
    | { readonly tagger: Identity; readonly tagged: Moment; readonly message: string }
    | undefined;
}

export interface ForeignVersion {
  /** Names it for ever: the commit of git, a digest of what a folder holds. */
  readonly id: string;
  readonly author: Identity;
  readonly authored: Moment;
  readonly committer: Identity;
  readonly committed: Moment;
  readonly message: string;
  readonly tags: readonly ForeignTag[];
  readonly meta: CommitMeta;
  /** Its files are put upon those of the version before; else they are all there are. */
  readonly isUpon: boolean;
}

export type ForeignBytes =
  | { readonly kind: "disk"; readonly path: string; readonly expected: ExpectedDigest }
  | { readonly kind: "stream"; readonly read: (call: Call) => AsyncIterable<Uint8Array> }
  /** What was looked for and is nowhere: "LFS object 3f1c…". */
  | { readonly kind: "missing"; readonly wanted: string };

export interface ExpectedDigest {
  readonly sha256?: string;
  readonly md5?: string;
  /** The MD5 may be that of the text with line feeds only. */
  readonly isLegacyText?: boolean;
  /** It is what was read of the file before: another one means that it changed. */
  readonly isOwn?: boolean;
}

export interface ForeignFile {
  readonly path: string;
  readonly mode: FileMode;
  /** Files of one key have the same bytes. */
  readonly key: string;
  readonly sizeBytes: number;
  readonly bytes: ForeignBytes;
}

/** What was not taken over, and why. */
export interface LeftOut {
  readonly what: string;
  readonly why: string;
}

export interface ForeignHistory {
  readonly kind: ImportKind;
  /** Versions are a line: those that are known must be its beginning. */
  readonly isLine: boolean;
  /** Oldest first. */
  versions(call: Call): Promise<readonly ForeignVersion[]>;
  files(version: ForeignVersion, call: Call): Promise<readonly ForeignFile[]>;
  /** Of the versions whose files were asked for. */
  leftOut(): readonly LeftOut[];
}

/** Where a commit is from, as `meta.lineage` tells it; undefined for one that was not imported. */
export function originOf(meta: MetaMap): { readonly kind: string; readonly id: string } | undefined {
  const { import: kind, id } = lineageIn(meta);
  return typeof kind === "string" && typeof id === "string" ? { kind, id } : undefined;
}

/** `meta.lineage`; empty where it is no map. */
export function lineageIn({ lineage }: MetaMap): MetaMap {
  const isMap = typeof lineage === "object" && lineage !== null && !Array.isArray(lineage);
  return isMap ? (lineage as MetaMap) : {};
}
