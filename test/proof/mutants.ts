/**
 * Durability bugs, made on purpose in a copy of the built store. Each must be seen by the lane it names. `from` must be
 * found exactly once in the file as it is built.
 */
import type { Model } from "./disk-model.ts";

interface Edit {
  /** Below dist/. */
  readonly file: string;
  readonly from: string;
  readonly to: string;
}

export type Lane =
  | { readonly kind: "power"; readonly operation: string; readonly model: Model }
  | { readonly kind: "write calls"; readonly operation: string }
  | { readonly kind: "damage"; readonly of: "packs" | "journal" };

export interface Mutant {
  readonly name: string;
  readonly edits: readonly Edit[];
  readonly lane: Lane;
}

const power = (operation: string, model: Model): Lane => ({ kind: "power", operation, model });

export const MUTANTS: readonly Mutant[] = [
  {
    name: "a pack is not fsynced",
    edits: [
      {
        file: "write-session.js",
        from: "const synced = syncFile(pack.path);",
        to: "const synced = Promise.resolve();",
      },
    ],
    lane: power("commit", "ext4"),
  },
  {
    name: "the packs of repack are not fsynced",
    edits: [
      {
        file: "write-session.js",
        from: "const synced = syncFile(pack.path);",
        to: "const synced = Promise.resolve();",
      },
    ],
    lane: power("repack", "ext4"),
  },
  {
    name: "the folders of packs are not fsynced",
    edits: [{ file: "pack/folder.js", from: "await syncFolder(folder);", to: "void folder;" }],
    lane: power("commit", "weak"),
  },
  {
    name: "the journal is not fsynced",
    edits: [{ file: "journal/journal.js", from: "await this.#file.sync();", to: "" }],
    lane: power("branch", "ext4"),
  },
  {
    name: "the folder of the journal is not fsynced",
    edits: [
      { file: "open-store.js", from: '["packs", "journal", "."]', to: '["packs", "."]' },
      { file: "fs.js", from: "await syncFolder(dirname(path));", to: "void path;" },
    ],
    lane: power("init", "weak"),
  },
  {
    name: "a branch moves before the packs have their names",
    edits: [
      { file: "verbs/commit.js", from: "await session.finish();", to: "" },
      {
        file: "verbs/commit.js",
        from: "await replaceStage(worktree, stage);",
        to: "await session.finish(); await replaceStage(worktree, stage);",
      },
    ],
    lane: power("commit", "ext4"),
  },
  {
    name: "a branch moves before its packs are fsynced",
    edits: [
      {
        file: "write-session.js",
        from: "const synced = syncFile(pack.path);",
        to: "const synced = new Promise((done) => setTimeout(done, 500));",
      },
      {
        file: "write-session.js",
        from: "for (const { synced } of this.#packs)\n            await synced;\n",
        to: "",
      },
    ],
    lane: power("merge", "ext4"),
  },
  {
    name: "an answer does not wait for the journal",
    edits: [
      {
        file: "journal/journal.js",
        from: "await this.#write(file, bytes);",
        to: "void this.#write(file, bytes);",
      },
    ],
    lane: power("branch", "ext4"),
  },
  {
    name: "refs in LevelDB come before the journal",
    edits: [
      {
        file: "journal/journal.js",
        from: "await this.#write(file, bytes);",
        to:
          "const late = new Promise((done) => setTimeout(done, 30)).then(() => this.#write(file, bytes)); " +
          "this.#queue = this.#queue.then(() => late);",
      },
    ],
    lane: power("tag", "ext4"),
  },
  {
    name: "a small file takes its name before it is fsynced",
    edits: [
      {
        file: "fs.js",
        from: 'await named("sync", temporary, () => handle.datasync());',
        to: "void temporary;",
      },
    ],
    lane: power("init", "ext4"),
  },
  {
    name: "the folder of a new worktree is not fsynced",
    edits: [{ file: "verbs/init.js", from: "await syncFolder(root);", to: "" }],
    lane: power("init", "weak"),
  },
  {
    name: "repack removes packs although the names of the new ones are not fsynced",
    edits: [{ file: "pack/folder.js", from: "await syncFolder(folder);", to: "void folder;" }],
    lane: power("repack", "weak"),
  },
  {
    name: "after a failed fsync of the journal writing goes on",
    edits: [
      {
        file: "journal/journal.js",
        from: "            this.#fail(error);\n            await",
        to: "            await",
      },
    ],
    lane: { kind: "write calls", operation: "branch" },
  },
  {
    name: "a difference is not compared before it is stored",
    edits: [
      {
        file: "codecs/choose.js",
        from: "return Buffer.compare(codec.decode(stored, raw.length, parent), raw) === 0;",
        to: "stored[stored.length - 1] ^= 1; return true;",
      },
    ],
    lane: { kind: "write calls", operation: "commit" },
  },
  {
    name: "a power cut is taken for a kill",
    edits: [
      {
        file: "db/db-recovery.js",
        from: "return marker !== undefined && marker === (await describeOpening(path));",
        to: "return marker !== undefined;",
      },
    ],
    lane: power("commit", "ext4"),
  },
  {
    name: "what is read is not verified",
    edits: [
      { file: "pack/reader.js", from: "if (crc)\n        assertStored(header, stored);", to: "" },
      {
        file: "pack/reader.js",
        from: "header.digest !== digest || (verify && hashBytes(raw) !== digest)",
        to: "false",
      },
    ],
    lane: { kind: "damage", of: "packs" },
  },
  {
    name: "the chain of the journal is not checked",
    edits: [
      {
        file: "journal/journal-read.js",
        from: "if (!bytes.subarray(PREFIX_BYTES + length).equals(hash))\n        return undefined;",
        to: "",
      },
    ],
    lane: { kind: "damage", of: "journal" },
  },
];
