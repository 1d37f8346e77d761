/**
 * Every decoder of the store's own formats meets bytes that almost are what they should be, also such whose checksums
 * are right: it refuses them with an error that says so, or what it reads is written as these very bytes again.
 */
import { createHash } from "node:crypto";
import { crc32 } from "node:zlib";
import { expect, test } from "vitest";
import { isSmcError, type ErrorCode } from "./errors.ts";
import {
  decodeHeader,
  decodePayload,
  encodeHeader,
  encodePayload,
  type JournalRecord,
} from "./journal/journal-format.ts";
import { type Digest, hashBytes } from "./objects/digest.ts";
import {
  type Commit,
  decodeChunklist,
  decodeCommit,
  decodeTag,
  decodeTree,
  encodeChunklist,
  encodeCommit,
  encodeTag,
  encodeTree,
} from "./objects/objects.ts";
import { decodePlace, encodePlace } from "./db/object-rows.ts";
import { decodeDeltaPrefix, encodeDeltaPrefix } from "./pack/delta.ts";
import { decodePackHeader, decodeRecordHeader, encodePackHeader, encodeRecordHeader } from "./pack/format.ts";
import { decodeEvent, decodeWorktree, encodeEvent, encodeWorktree } from "./refs/ref-rows.ts";
import { Mutator, SEED } from "./testing/mutations.ts";
import { decodeStage, emptyStage, encodeStage } from "./worktree/stage.ts";

const ROUNDS = Number(process.env.FUZZ_ROUNDS ?? 4000);

interface Format {
  readonly name: string;
  readonly samples: readonly Uint8Array[];
  /** Makes the checksums right again, as someone who writes a file on purpose would. */
  readonly seal?: (bytes: Buffer) => void;
  /** Reads and writes again. */
  readonly again: (bytes: Buffer) => Uint8Array | Promise<Uint8Array>;
  readonly refusals: readonly ErrorCode[];
}

const hex = (text: string): Digest => hashBytes(Buffer.from(text));
const WHO = { name: "Ada", email: "ada@example.org" };
const WHEN = { ms: 1_700_000_000_000, offsetMinutes: 60 };

const COMMIT: Commit = {
  tree: hex("tree"),
  parents: [hex("one"), hex("two")],
  author: WHO,
  authored: WHEN,
  committer: WHO,
  committed: WHEN,
  message: "trained\n\nfor a night",
  meta: {
    metrics: { loss: 0.125, epochs: 3 },
    params: { lr: "1e-3", deep: true },
    data: { list: [1, null] },
  },
};

const RECORDS: readonly JournalRecord[] = [
  { seq: 1, ms: 5, op: "init", actor: "A", reason: "r", repository: "cats", type: "repository" },
  {
    seq: 2,
    ms: 6,
    op: "init",
    actor: "A",
    reason: "",
    repository: "cats",
    type: "worktree",
    worktree: "ab",
    path: "/w",
  },
  {
    seq: 2 ** 40,
    ms: 7,
    op: "commit",
    actor: "Ada <ada@example.org>",
    reason: "commit: trained",
    repository: "cats",
    type: "refs",
    changes: [
      { name: "refs/heads/main", from: "absent", to: hex("a") },
      { name: "refs/heads/old", from: hex("b"), to: "absent" },
    ],
  },
];

function sealCrc(at: number): (bytes: Buffer) => void {
  return (bytes) => {
    if (bytes.length >= at + 4) bytes.writeUInt32LE(crc32(bytes.subarray(0, at)), at);
  };
}

async function sampleStage(): Promise<Uint8Array> {
  const stage = emptyStage();
  stage.base = hex("base");
  const cache = { dev: 1n, ino: 2n, mtimeNs: 3n, ctimeNs: 4n, cachedAtNs: 5n };
  stage.entries.set("a/b.bin", { mode: "100644", digest: hex("x"), sizeBytes: 2 ** 33, cache });
  stage.entries.set("ü", { mode: "120000", digest: hex("y"), sizeBytes: 3, isSkipped: true });
  return encodeStage(stage);
}

const record = {
  digest: hex("c"),
  kind: "chunk",
  codec: 3,
  flags: 0,
  rawBytes: 900,
  storedBytes: 700,
} as const;

const FORMATS: readonly Format[] = [
  {
    name: "commit",
    samples: [encodeCommit(COMMIT)],
    again: (bytes) => encodeCommit(decodeCommit(bytes)),
    refusals: ["OBJECT_INVALID"],
  },
  {
    name: "tag",
    samples: [
      encodeTag({
        target: hex("t"),
        targetKind: "commit",
        name: "v1",
        tagger: WHO,
        tagged: WHEN,
        message: "m",
      }),
    ],
    again: (bytes) => encodeTag(decodeTag(bytes)),
    refusals: ["OBJECT_INVALID"],
  },
  {
    name: "tree",
    samples: [
      encodeTree([]),
      encodeTree([
        { name: "a.bin", mode: "100644", digest: hex("1"), sizeBytes: 7 },
        { name: "sub", mode: "040000", digest: hex("2"), sizeBytes: 2 ** 40 },
        { name: "ünï", mode: "120000", digest: hex("3"), sizeBytes: 24 },
      ]),
    ],
    again: (bytes) => encodeTree(decodeTree(bytes)),
    refusals: ["OBJECT_INVALID"],
  },
  {
    name: "chunklist",
    samples: [
      encodeChunklist({
        blob: hex("b"),
        sizeBytes: 5000,
        plan: 2,
        chunks: [
          { digest: hex("1"), sizeBytes: 4096 },
          { digest: hex("2"), sizeBytes: 904 },
        ],
      }),
    ],
    again: (bytes) => encodeChunklist(decodeChunklist(bytes)),
    refusals: ["OBJECT_INVALID"],
  },
  {
    name: "record of the journal",
    samples: RECORDS.map(encodePayload),
    again: (bytes) => encodePayload(decodePayload(bytes, "journal")),
    refusals: ["JOURNAL_CORRUPT"],
  },
  {
    name: "header of the journal",
    samples: [
      encodeHeader({ storeId: "00".repeat(16), number: 7, firstSeq: 99, previousHash: new Uint8Array(32) }),
    ],
    seal: sealCrc(124),
    again: (bytes) => encodeHeader(decodeHeader(bytes, "journal")),
    refusals: ["JOURNAL_CORRUPT", "FORMAT_UNSUPPORTED"],
  },
  {
    name: "header of a pack",
    samples: [encodePackHeader({ nonce: new Uint8Array(16), storeId: "ab".repeat(16) })],
    seal: sealCrc(60),
    again: (bytes) => encodePackHeader(decodePackHeader(bytes)),
    refusals: ["PACK_CORRUPT", "FORMAT_UNSUPPORTED"],
  },
  {
    name: "header of a record",
    samples: [encodeRecordHeader(record, crc32(Buffer.alloc(700))).bytes],
    seal: sealCrc(60),
    again: (bytes) => {
      const header = decodeRecordHeader(bytes);
      const again = encodeRecordHeader(header, 0).bytes;
      again.writeUInt32LE(header.storedCrc, 48);
      sealCrc(60)(again);
      return again;
    },
    refusals: ["PACK_CORRUPT", "FORMAT_UNSUPPORTED"],
  },
  {
    name: "parents of a difference",
    samples: [encodeDeltaPrefix({ depth: 2, parents: [hex("1"), hex("2")], offset: 5, length: 4096 })],
    again: (bytes) => encodeDeltaPrefix(decodeDeltaPrefix(bytes).prefix),
    refusals: ["PACK_CORRUPT"],
  },
  {
    name: "row of the index",
    samples: [
      encodePlace({ ...record, pack: 3, offset: 2 ** 40 }),
      encodePlace({ ...record, pack: 3, offset: 64, depth: 1, parents: [hex("p")] }),
    ],
    again: (bytes) => encodePlace(decodePlace(bytes)),
    refusals: ["INDEX_CORRUPT"],
  },
  {
    name: "event of a reflog",
    samples: [encodeEvent({ ms: 5, op: "commit", actor: "A <a@example.org>", reason: "because" })],
    again: (bytes) => encodeEvent(decodeEvent(bytes)),
    refusals: ["OBJECT_INVALID"],
  },
  {
    name: "row of a worktree",
    samples: [encodeWorktree({ path: "/home/ada/cats", repository: "cats" })],
    again: (bytes) => encodeWorktree(decodeWorktree("ab", bytes)),
    refusals: ["OBJECT_INVALID"],
  },
  {
    name: "stage",
    samples: [await sampleStage(), await encodeStage(emptyStage())],
    seal: (bytes) => {
      if (bytes.length < 32) return;
      createHash("sha256")
        .update(bytes.subarray(0, -32))
        .digest()
        .copy(bytes, bytes.length - 32);
    },
    again: async (bytes) => encodeStage(await decodeStage(bytes)),
    refusals: ["STAGE_CORRUPT", "FORMAT_UNSUPPORTED"],
  },
];

/** Decoders that are given the bytes behind as well, which are others' to read. */
const READS_ONLY_A_PREFIX = new Set(["parents of a difference", "header of a pack", "header of a record"]);

test.each(FORMATS)(`$name: refused, or read as it is written (FUZZ_SEED=${SEED})`, async (format) => {
  const mutator = new Mutator(SEED);
  let refused = 0;
  for (let round = 0; round < ROUNDS; round += 1) {
    const bytes = mutator.mutate(mutator.one(format.samples));
    if (format.seal !== undefined && mutator.pick(4) > 0) format.seal(bytes);
    let again: Uint8Array;
    try {
      again = await format.again(Buffer.from(bytes));
    } catch (error) {
      const isRefusal = format.refusals.some((code) => isSmcError(error, code));
      if (!isRefusal) throw new Error(`round ${round}: ${bytes.toString("hex")}`, { cause: error });
      refused += 1;
      continue;
    }
    const read = READS_ONLY_A_PREFIX.has(format.name) ? bytes.subarray(0, again.length) : bytes;
    expect(Buffer.from(again).toString("hex"), `round ${round}`).toBe(read.toString("hex"));
  }
  expect(refused, "mutations that were noticed").toBeGreaterThan(ROUNDS / 4);
});
