/** For tests: a repository with three tagged versions, and the verbs of the registry. */
import type { Digest } from "../objects/digest.ts";
import type { OwnedRepository } from "../repository.ts";
import { champion } from "../verbs/champion.ts";
import { challenger } from "../verbs/challenger.ts";
import { promote, type PromoteOptions, type PromoteResult } from "../verbs/promote.ts";
import { rollback, type RollbackDone, type RollbackOptions } from "../verbs/rollback.ts";
import { type CommitParts, createHistory, type History } from "./history.ts";
import { ACTOR } from "./worktree.ts";
import { QUIET, withStore } from "./testing.ts";

export interface Registry {
  readonly history: History;
  readonly repository: OwnedRepository;
  /** v1.0.0, v1.0.1, v1.0.2: one line, `main` at the last. */
  readonly commits: readonly [Digest, Digest, Digest];
  /** Confirmed, with a reason. */
  readonly promote: (revision: string, options?: Partial<PromoteOptions>) => Promise<PromoteResult>;
  readonly rollback: (options?: Partial<RollbackOptions>) => Promise<RollbackDone>;
  /** The name of the champion and of the challenger, and what `refs/archive/` holds. */
  readonly state: () => Promise<{ champion: string | null; challenger: string | null; archived: string[] }>;
}

const METRICS = [
  { mag: 98.36, azi: 50.66 },
  { mag: 97.63, azi: 71.28 },
  { mag: 97, azi: 60 },
];

export async function withRegistry<T>(run: (registry: Registry) => Promise<T>): Promise<T> {
  return withStore(async (store) => {
    const why = { op: "init", reason: "init: demo", actor: "Ada <ada@example.org>" };
    await store.refs.createRepository("demo", why);
    const repository: OwnedRepository = {
      store,
      name: "demo",
      worktree: undefined,
      actor: ACTOR,
      defaultBranch: "main",
    };
    const history = createHistory(repository);
    const commits: Digest[] = [];
    for (const [index, metrics] of METRICS.entries()) {
      const parts: CommitParts = {
        files: { "model.bin": `weights ${index}` },
        meta: { metrics, params: { lr: 0.1 } },
        parents: commits.slice(-1),
      };
      const commit = await history.commit(parts);
      await history.point(`refs/tags/v1.0.${index}`, commit);
      commits.push(commit);
    }
    const [first, second, third] = commits as [Digest, Digest, Digest];
    await history.point("refs/heads/main", third);
    return run({
      history,
      repository,
      commits: [first, second, third],
      promote: (revision, options) =>
        promote(repository, { revision, reason: "because", answer: "yes", ...options }, QUIET),
      rollback: async (options) => {
        const done = await rollback(repository, { answer: "yes", ...options }, QUIET);
        if (done.action === "list") throw new Error("a list");
        return done;
      },
      state: async () => ({
        champion: (await champion(repository, {}, QUIET)).champion?.version ?? null,
        challenger: (await challenger(repository, {}, QUIET)).challenger?.version ?? null,
        archived: (await store.refs.list("demo", "refs/archive/")).map(({ name }) =>
          name.slice("refs/archive/".length),
        ),
      }),
    });
  });
}
