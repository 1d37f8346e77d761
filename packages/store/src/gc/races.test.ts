/**
 * gc, repack, commits, branches and reads at the same time, in an order that a seed decides: nothing that a ref names
 * is ever missing, and whoever was answered has what they were told. RACES says how many rounds, RACE_SEED where they
 * begin.
 */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { randomNumbers } from "../codecs/testing/numbers.ts";
import { breathe } from "../call.ts";
import { isSmcError } from "../errors.ts";
import { readCommit } from "../history/graph.ts";
import { type Digest, hashBytes } from "../objects/digest.ts";
import { parseRefName } from "../objects/names.ts";
import { encodeCommit, encodeTree } from "../objects/objects.ts";
import type { OwnedStore } from "../open-store.ts";
import { ADA } from "../testing/history.ts";
import { type Model, model, nudge, safetensors } from "../testing/models.ts";
import { QUIET, withStore } from "../testing/testing.ts";
import { branch } from "../verbs/branch.ts";
import { fsck } from "../verbs/fsck.ts";
import { gc } from "../verbs/gc.ts";
import { repack } from "../verbs/repack.ts";
import { undelete } from "../verbs/undelete.ts";

const ROUNDS = Number(process.env.RACES ?? 300);
const SEED = Number(process.env.RACE_SEED ?? Date.now() % 1_000_000);
/** Rounds with one store. */
const ROUNDS_OF_STORE = 30;
const STEPS = 6;
const REASON = { op: "test", reason: "test", actor: "Ada <ada@example.org>" };
const SIZES = { "a.weight": 36_000, "b.weight": 36_000 };

/** One round: five actors at once. */
class Race {
  readonly #store: OwnedStore;
  readonly #folder: string;
  readonly #random: () => number;
  readonly #models: readonly Model[];
  /** Commits that somebody made at some time, dead or alive. */
  readonly #made: Digest[];

  constructor(
    store: OwnedStore,
    folder: string,
    about: { seed: number; models: readonly Model[]; made: Digest[] },
  ) {
    this.#store = store;
    this.#folder = folder;
    this.#random = randomNumbers(about.seed);
    this.#models = about.models;
    this.#made = about.made;
  }

  async run(): Promise<void> {
    const actors = [
      this.#repeat(() => this.#asCommand(() => this.#commit("refs/heads/one"))),
      this.#repeat(() => this.#asCommand(() => this.#commit("refs/heads/two"))),
      this.#repeat(() => this.#asCommand(() => this.#moveBranch())),
      this.#repeat(() => this.#asCommand(() => this.#read())),
      this.#repeat(() => this.#clean(), 2),
    ];
    const ends = await Promise.allSettled(actors);
    for (const end of ends) if (end.status === "rejected") throw end.reason;
  }

  #pick<T>(items: readonly T[]): T | undefined {
    return items[Math.floor(this.#random() * items.length)];
  }

  async #repeat(step: () => Promise<void>, count = STEPS): Promise<void> {
    for (let index = 0; index < count; index += 1) {
      for (let turns = Math.floor(this.#random() ** 4 * 200); turns > 0; turns -= 1) await breathe();
      await step();
    }
  }

  /** As the daemon runs a verb. */
  async #asCommand(step: () => Promise<void>): Promise<void> {
    using _ = this.#store.calls.enter();
    await step();
  }

  /** A model, or a few small files, most of which were stored before and may be dead by now. */
  async #commit(ref: string): Promise<void> {
    const name = parseRefName(ref);
    const from = (await this.#store.refs.read("demo", name)) ?? "absent";
    const older = from === "absent" || this.#random() < 0.3 ? undefined : from;
    await using session = this.#store.write("test");
    const entries = [];
    if (this.#random() < 0.4) {
      const weights = this.#pick(this.#models) as Model;
      const bytes = safetensors(weights);
      const path = join(this.#folder, `${ref.slice(-3)}.safetensors`);
      writeFileSync(path, bytes);
      const parent = hashBytes(safetensors(this.#pick(this.#models) as Model));
      const parents = this.#random() < 0.7 ? [{ digest: parent, fileName: "m.safetensors" }] : [];
      const [file] = await session.addFiles([{ path, sizeBytes: bytes.length, parents }], QUIET);
      entries.push({
        name: "m.safetensors",
        mode: "100644" as const,
        digest: file?.digest as Digest,
        sizeBytes: bytes.length,
      });
    }
    for (const text of ["x", "y", "z"]) {
      const bytes = Buffer.from(`${text} ${Math.floor(this.#random() * 3)}`);
      entries.push({ name: text, mode: "100644" as const, ...(await session.putBlob(bytes)) });
    }
    const tree = await session.putObject("tree", encodeTree(entries));
    const moment = { ms: Math.floor(this.#random() * 1e9), offsetMinutes: 0 };
    const digest = await session.putObject(
      "commit",
      encodeCommit({
        tree,
        parents: older === undefined ? [] : [older],
        author: ADA,
        authored: moment,
        committer: ADA,
        committed: moment,
        message: ref,
        meta: {},
      }),
    );
    await session.finish();
    for (let turns = Math.floor(this.#random() * 30); turns > 0; turns -= 1) await breathe();
    await this.#store.refs.update("demo", [{ name, from: "any", to: digest }], REASON);
    this.#made.push(digest);
  }

  /** Makes a branch of any commit that ever was, if it is still there, or deletes it. */
  async #moveBranch(): Promise<void> {
    const name = parseRefName("refs/heads/other");
    const start = this.#pick(this.#made);
    if (start === undefined || this.#random() < 0.4) {
      const gone = this.#pick(["refs/heads/one", "refs/heads/two", "refs/heads/other"]) ?? "";
      await this.#store.refs.update(
        "demo",
        [{ name: parseRefName(gone), from: "any", to: "absent" }],
        REASON,
      );
      return;
    }
    const repository = {
      store: this.#store,
      name: "demo",
      worktree: undefined,
      actor: ADA,
      defaultBranch: "main",
    };
    try {
      await branch(repository, { name: "other", revision: start, force: true }, QUIET);
    } catch (error) {
      if (!isSmcError(error, "REVISION_NOT_FOUND")) throw error;
      return;
    }
    expect(await this.#store.refs.read("demo", name)).toBe(start);
  }

  /** Everything of a commit that a ref names when the read begins. */
  async #read(): Promise<void> {
    const ref = this.#pick(await this.#store.refs.list("demo"));
    if (ref === undefined) return;
    this.#store.pins.add([ref.digest]);
    const { tree } = await readCommit(this.#store, ref.digest);
    const { flattenTree } = await import("../trees/tree-read.ts");
    for (const { digest } of (await flattenTree(this.#store.objects, tree, QUIET)).values()) {
      let sizeBytes = 0;
      for await (const part of this.#store.objects.readBlob(digest, QUIET)) sizeBytes += part.length;
      expect(sizeBytes).toBeGreaterThan(0);
    }
  }

  async #clean(): Promise<void> {
    const choice = this.#random();
    if (choice < 0.2) await repack(this.#store, { again: this.#random() < 0.5 }, QUIET);
    else if (choice < 0.3) await undelete(this.#store, {}, QUIET);
    else await gc(this.#store, { olderThan: "0", ...(this.#random() < 0.5 ? { grace: "0" } : {}) }, QUIET);
  }
}

async function assertWhole(store: OwnedStore, seed: number): Promise<void> {
  const { problems } = await fsck(store, {}, QUIET);
  expect(problems, `RACE_SEED=${seed}`).toEqual([]);
}

test(`gc beside everything else, ${ROUNDS} rounds (RACE_SEED=${SEED})`, { timeout: 1_200_000 }, async () => {
  const models = [model(SIZES, 1)];
  for (let step = 0; step < 5; step += 1) models.push(nudge(models.at(-1) as Model, step));
  for (let first = 0; first < ROUNDS; first += ROUNDS_OF_STORE) {
    await withStore(async (store, folder) => {
      await store.refs.createRepository("demo", REASON);
      const made: Digest[] = [];
      for (let round = first; round < Math.min(first + ROUNDS_OF_STORE, ROUNDS); round += 1) {
        const seed = SEED + round;
        try {
          await new Race(store, folder, { seed, models, made }).run();
        } catch (error) {
          throw new Error(`RACE_SEED=${seed}`, { cause: error });
        }
        await assertWhole(store, seed);
      }
      await store.rebuild();
      expect(await fsck(store, { full: true }, QUIET)).toMatchObject({ ok: true, problems: [] });
    });
  }
});
