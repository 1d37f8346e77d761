/** What a backup says of itself: the first entry of a tar file, or a file `.json` beside the copy of a file. Pure. */
import { SmcError } from "../errors.ts";
import { parseJson } from "../json.ts";
import { assertPath } from "../objects/names.ts";
import { show } from "../show.ts";

export const MANIFEST_NAME = "manifest.json";
export const MANIFEST_BYTES_MAX = 64 * 1024 * 1024;
const FILES_MAX = 100_000;
const TEXT_LENGTH_MAX = 16 * 1024;
const FORMAT = "smc-backup";
const VERSION = 1;

export type BackupKind = "file" | "revision" | "store";

export interface BackupFile {
  /** `/`-separated. */
  readonly path: string;
  readonly sizeBytes: number;
  readonly sha256: string;
  readonly md5: string;
  readonly executable: boolean;
}

export interface BackupSource {
  /** Absolute path of the file, or of the store. */
  readonly path?: string;
  readonly repository?: string;
  /** As it was asked for. */
  readonly revision?: string;
  readonly commit?: string;
  readonly message?: string;
  /** The commit's params, metrics and other metadata. */
  readonly meta?: Readonly<Record<string, unknown>>;
  /** Of a store: its id and the last record of its journal. */
  readonly storeId?: string;
  readonly seq?: number;
}

export interface BackupManifest {
  readonly kind: BackupKind;
  readonly name: string;
  /** ISO 8601, UTC. */
  readonly created: string;
  /** "Name <address>". */
  readonly createdBy: string;
  readonly source: BackupSource;
  readonly files: readonly BackupFile[];
  /** Symbolic links of a revision; they are told and not restored. */
  readonly links: readonly { readonly path: string; readonly target: string }[];
}

/** Two manifests that differ in digests alone have the same length. */
export function encodeManifest(manifest: BackupManifest): Buffer {
  const { kind, name, created, createdBy, source, files, links } = manifest;
  const fields = { format: FORMAT, version: VERSION, kind, name, created, createdBy, source, files, links };
  const bytes = Buffer.from(`${JSON.stringify(fields, undefined, 2)}\n`);
  if (files.length > FILES_MAX || bytes.length > MANIFEST_BYTES_MAX)
    throw new SmcError("LIMIT_EXCEEDED", `a backup holds at most ${FILES_MAX} files; nothing was written`);
  return bytes;
}

/** Undefined for what is no manifest of a backup. Throws FORMAT_UNSUPPORTED for a newer one. */
export function parseManifest(bytes: Buffer): BackupManifest | undefined {
  const value = parseJson(bytes);
  if (!isRecord(value) || value["format"] !== FORMAT) return undefined;
  const { version, kind, name, created, createdBy, source, files, links } = value;
  if (version !== VERSION)
    throw new SmcError("FORMAT_UNSUPPORTED", `a backup of version ${show(String(version), 40)}`);
  if (kind !== "file" && kind !== "revision" && kind !== "store") return undefined;
  if (!isText(name) || !isText(created) || !isText(createdBy) || !isRecord(source)) return undefined;
  if (Number.isNaN(Date.parse(created))) return undefined;
  if (!Array.isArray(files) || files.length > FILES_MAX || !files.every(isFile)) return undefined;
  if (!Array.isArray(links) || links.length > FILES_MAX || !links.every(isLink)) return undefined;
  return { kind, name, created, createdBy, source, files, links };
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isText(value: unknown): value is string {
  return typeof value === "string" && value.length <= TEXT_LENGTH_MAX;
}

function isFile(value: unknown): value is BackupFile {
  if (!isRecord(value)) return false;
  const { path, sizeBytes, sha256, md5, executable } = value;
  const isDigests =
    isText(sha256) && isText(md5) && /^[0-9a-f]{64}$/.test(sha256) && /^[0-9a-f]{32}$/.test(md5);
  const isSize = typeof sizeBytes === "number" && Number.isSafeInteger(sizeBytes) && sizeBytes >= 0;
  return isDigests && isSize && typeof executable === "boolean" && isText(path) && isPath(path);
}

function isLink(value: unknown): value is { path: string; target: string } {
  return isRecord(value) && isText(value["path"]) && isText(value["target"]);
}

function isPath(path: string): boolean {
  try {
    assertPath(path, { allowNonportable: true });
    return true;
  } catch (error) {
    if (error instanceof SmcError) return false;
    throw error;
  }
}
