/**
 * Keys and values of refs, reflogs, repositories and worktrees in LevelDB. Pure. docs/design/format.md has the table.
 */
import { decodeCanonical, encodeCanonical, Shape } from "../objects/cbor.ts";
import { type Digest, DIGEST_BYTES, digestFromBytes, digestToBytes } from "../objects/digest.ts";
import { SmcError } from "../errors.ts";
import type { JournalPosition } from "../journal/journal.ts";
import type { RefReason, WorktreeRecord } from "./refs.ts";

export const TAGS = {
  ref: "r",
  reflog: "R",
  fold: "f",
  event: "e",
  repository: "q",
  worktree: "w",
  applied: "j",
} as const;

const SEQ_BYTES = 8;
const STATE_BYTES = SEQ_BYTES + 32 + SEQ_BYTES + 32;
const ABSENT = new Uint8Array(DIGEST_BYTES);
/** Above every byte of UTF-8. */
const ABOVE = Buffer.of(0xff);

/** What the rows were brought up to, with a count and a rolling hash of what they say now. */
export interface RefState extends JournalPosition {
  /** Rows of refs, repositories and worktrees. */
  readonly count: number;
  /** XOR of the SHA-256 of each of those rows. */
  readonly mix: Uint8Array;
}

function seqBytes(seq: number): Uint8Array {
  const bytes = Buffer.alloc(SEQ_BYTES);
  bytes.writeBigUInt64BE(BigInt(seq));
  return bytes;
}

function view(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
}

function checked(raw: Uint8Array, length: number, what: string): Buffer {
  if (raw.length !== length) throw new SmcError("INDEX_CORRUPT", `a row of the ${what} is damaged`);
  return view(raw);
}

export const APPLIED_KEY: Uint8Array = Buffer.from(TAGS.applied);

export function refKey(repository: string, name: string): Uint8Array {
  return Buffer.from(`${TAGS.ref}${repository}\0${name}`);
}

/** Names that begin with `prefix`. */
export function refRange(repository: string, prefix: string): { gte: Uint8Array; lt: Uint8Array } {
  const gte = refKey(repository, prefix);
  return { gte, lt: Buffer.concat([gte, ABOVE]) };
}

/** The part of a key of a ref, a repository or a worktree that says which one. */
export function nameOfKey(key: Uint8Array): string {
  const text = view(key).toString("utf8", 1);
  return text.slice(text.indexOf("\0") + 1);
}

/** The repository and the name in the key of a ref, or of a reflog's row without its number. */
export function placeOfKey(key: Uint8Array): { repository: string; name: string } {
  const [repository = "", name = ""] = view(key).toString("utf8", 1).split("\0");
  return { repository, name };
}

export function reflogKey(repository: string, name: string, seq: number): Uint8Array {
  return Buffer.concat([Buffer.from(`${TAGS.reflog}${repository}\0${name}\0`), seqBytes(seq)]);
}

export function reflogRange(repository: string, name: string): { gte: Uint8Array; lt: Uint8Array } {
  const gte = Buffer.from(`${TAGS.reflog}${repository}\0${name}\0`);
  return { gte, lt: Buffer.concat([gte, Buffer.alloc(SEQ_BYTES, 0xff)]) };
}

/** At the end of a reflog's key: NUL and the number of the change. */
export const SEQ_KEY_BYTES: number = 1 + SEQ_BYTES;

export function seqOfReflogKey(key: Uint8Array): number {
  return Number(view(key).readBigUInt64BE(key.length - SEQ_BYTES));
}

/** Repository and ref of a row of the reflog, as they are in the key of the ref's own row. */
export function reflogOwner(key: Uint8Array): Uint8Array {
  return key.subarray(1, key.length - SEQ_BYTES - 1);
}

export function foldKey(repository: string, folded: string, name: string): Uint8Array {
  return Buffer.from(`${TAGS.fold}${repository}\0${folded}\0${name}`);
}

export function foldRange(repository: string, folded: string): { gte: Uint8Array; lt: Uint8Array } {
  const gte = foldKey(repository, folded, "");
  return { gte, lt: Buffer.concat([gte, ABOVE]) };
}

export function nameOfFoldKey(key: Uint8Array): string {
  const text = view(key).toString("utf8");
  return text.slice(text.lastIndexOf("\0") + 1);
}

export function eventKey(seq: number): Uint8Array {
  return Buffer.concat([Buffer.from(TAGS.event), seqBytes(seq)]);
}

export function seqOfEventKey(key: Uint8Array): number {
  return Number(view(key).readBigUInt64BE(1));
}

export function repositoryKey(name: string): Uint8Array {
  return Buffer.from(`${TAGS.repository}${name}`);
}

export function worktreeKey(id: string): Uint8Array {
  return Buffer.from(`${TAGS.worktree}${id}`);
}

/** All keys with this tag. */
export function tagRange(tag: string): { gte: Uint8Array; lt: Uint8Array } {
  return { gte: Buffer.from(tag), lt: Buffer.of(tag.charCodeAt(0) + 1) };
}

export function encodeRef(digest: Digest, seq: number): Uint8Array {
  return Buffer.concat([digestToBytes(digest), seqBytes(seq)]);
}

export function decodeRef(raw: Uint8Array): Digest {
  return digestFromBytes(checked(raw, DIGEST_BYTES + SEQ_BYTES, "refs").subarray(0, DIGEST_BYTES));
}

/** Number of the record that set the ref. */
export function seqOfRef(raw: Uint8Array): number {
  return Number(checked(raw, DIGEST_BYTES + SEQ_BYTES, "refs").readBigUInt64BE(DIGEST_BYTES));
}

function sideBytes(side: Digest | "absent"): Uint8Array {
  return side === "absent" ? ABSENT : digestToBytes(side);
}

function sideOf(bytes: Uint8Array): Digest | "absent" {
  return Buffer.compare(bytes, ABSENT) === 0 ? "absent" : digestFromBytes(bytes);
}

export function encodeMove(from: Digest | "absent", to: Digest | "absent"): Uint8Array {
  return Buffer.concat([sideBytes(from), sideBytes(to)]);
}

export function decodeMove(raw: Uint8Array): { from: Digest | "absent"; to: Digest | "absent" } {
  const bytes = checked(raw, 2 * DIGEST_BYTES, "reflog");
  return { from: sideOf(bytes.subarray(0, DIGEST_BYTES)), to: sideOf(bytes.subarray(DIGEST_BYTES)) };
}

export interface RefEvent extends RefReason {
  readonly ms: number;
}

export function encodeEvent({ ms, op, actor, reason }: RefEvent): Uint8Array {
  return encodeCanonical({ type: "event", ms, op, actor, reason });
}

export function decodeEvent(raw: Uint8Array): RefEvent {
  const shape = new Shape(decodeCanonical(raw, "reflog"), "event", ["ms", "op", "actor", "reason"]);
  return {
    ms: shape.integer("ms"),
    op: shape.text("op"),
    actor: shape.text("actor"),
    reason: shape.text("reason"),
  };
}

export function encodeMs(ms: number): Uint8Array {
  return seqBytes(ms);
}

export function decodeMs(raw: Uint8Array): number {
  return Number(checked(raw, SEQ_BYTES, "repositories").readBigUInt64BE());
}

export function encodeWorktree({ path, repository }: Omit<WorktreeRecord, "id">): Uint8Array {
  return encodeCanonical({ type: "worktree", path, repository });
}

export function decodeWorktree(id: string, raw: Uint8Array): WorktreeRecord {
  const shape = new Shape(decodeCanonical(raw, "worktree"), "worktree", ["path", "repository"]);
  return { id, path: shape.text("path"), repository: shape.text("repository") };
}

export function encodeState({ seq, hash, count, mix }: RefState): Uint8Array {
  return Buffer.concat([seqBytes(seq), hash, seqBytes(count), mix]);
}

export function decodeState(raw: Uint8Array): RefState {
  const bytes = checked(raw, STATE_BYTES, "state of the refs");
  return {
    seq: Number(bytes.readBigUInt64BE(0)),
    hash: bytes.subarray(SEQ_BYTES, 40),
    count: Number(bytes.readBigUInt64BE(40)),
    mix: bytes.subarray(48),
  };
}
