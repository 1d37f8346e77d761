/** For tests: a line of commits with one model each. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Digest } from "../objects/digest.ts";
import { encodeCommit, encodeTree } from "../objects/objects.ts";
import type { OwnedStore } from "../open-store.ts";
import { ADA, createHistory, type History } from "./history.ts";
import { model, nudge, safetensors } from "./models.ts";
import { QUIET } from "./testing.ts";

const SIZES = { "layer.weight": 2_500_000, "head.weight": 100_000 };

export interface Version {
  readonly commit: Digest;
  readonly blob: Digest;
  readonly bytes: Buffer;
}

/** Versions that know nothing of each other when they are stored: all chunks stand alone. */
export async function commitSeries(
  store: OwnedStore,
  folder: string,
  count: number,
): Promise<{ history: History; versions: Version[] }> {
  const repository = { store, name: "demo", worktree: undefined, actor: ADA, defaultBranch: "main" };
  await store.refs.createRepository("demo", { op: "init", reason: "init", actor: "Ada <ada@example.org>" });
  const history = createHistory(repository);
  const versions: Version[] = [];
  let weights = model(SIZES, 1);
  for (let index = 0; index < count; index += 1) {
    const bytes = safetensors(weights);
    const path = join(folder, "model.safetensors");
    writeFileSync(path, bytes);
    await using session = store.write("test");
    const [file] = await session.addFiles([{ path, sizeBytes: bytes.length }], QUIET);
    const entry = {
      name: "m.safetensors",
      mode: "100644" as const,
      digest: file?.digest as Digest,
      sizeBytes: bytes.length,
    };
    const tree = await session.putObject("tree", encodeTree([entry]));
    const moment = { ms: 1000 * index, offsetMinutes: 0 };
    const parents = versions.slice(-1).map(({ commit }) => commit);
    const commit = await session.putObject(
      "commit",
      encodeCommit({
        tree,
        parents,
        author: ADA,
        authored: moment,
        committer: ADA,
        committed: moment,
        message: `v${index}`,
        meta: {},
      }),
    );
    await session.finish();
    versions.push({ commit, blob: entry.digest, bytes });
    await history.point("refs/heads/main", commit);
    weights = nudge(weights, index);
  }
  return { history, versions };
}
