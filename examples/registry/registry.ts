/**
 * The registry of a repository from TypeScript: which version is live, what there is, how two differ, and one step
 * back.
 *
 *     node examples/registry/dist/registry.js 1.0.0 1.0.1
 *
 * Stand in a worktree that has these two versions, the second one live. Prints one JSON object for each call; the last
 * one makes the first version champion.
 */
import { homedir } from "node:os";
import { join } from "node:path";
import { type At, type Client, createClient, type VerbResult } from "@smc/daemon/client";

export class Registry {
  readonly #client: Client;
  readonly #at: At;

  /** `folder` is an absolute path in a worktree; a daemon is started when none runs. */
  constructor(folder: string, storePath = process.env.SMC_HOME ?? join(homedir(), ".smc")) {
    this.#client = createClient({ storePath });
    this.#at = { folder };
  }

  /** Null while nobody is champion. */
  async getCurrentChampion(): Promise<VerbResult<"champion">["champion"]> {
    return (await this.#client.call("champion", { at: this.#at, input: {} })).champion;
  }

  /** Throws REVISION_NOT_FOUND. */
  async getModelByVersion(version: string): Promise<VerbResult<"show">> {
    return this.#client.call("show", { at: this.#at, input: { revision: version } });
  }

  async getAllVersions(): Promise<VerbResult<"versions">["versions"]> {
    return (await this.#client.call("versions", { at: this.#at, input: {} })).versions;
  }

  async compareModels(...revisions: readonly string[]): Promise<VerbResult<"compare">> {
    return this.#client.call("compare", { at: this.#at, input: { revisions: [...revisions] } });
  }

  /** Writes a metadata.json for `version` to the absolute path `file`. */
  async createModelMetadata(
    file: string,
    version: string,
    values: Readonly<Record<string, string | number>>,
  ): Promise<VerbResult<"meta">["document"]> {
    const input = { action: "create" as const, file, revision: version, values };
    return (await this.#client.call("meta", { at: this.#at, input })).document;
  }

  async getRegistrySummary(): Promise<VerbResult<"registry">["summary"]> {
    return (await this.#client.call("registry", { at: this.#at, input: { action: "summary" } })).summary;
  }

  /** Makes `version` champion without asking: whoever calls this has decided. */
  async rollback(version: string, reason: string): Promise<VerbResult<"rollback">> {
    return this.#client.call("rollback", { at: this.#at, input: { version, reason, answer: "yes" } });
  }
}

const [before, now] = process.argv.slice(2);
if (before === undefined || now === undefined) throw new Error("usage: registry.js VERSION LIVE-VERSION");
const registry = new Registry(process.cwd());
const print = (call: string, result: unknown): void => {
  process.stdout.write(`${JSON.stringify({ call, result })}\n`);
};
print("getCurrentChampion", await registry.getCurrentChampion());
print("getModelByVersion", await registry.getModelByVersion(before));
print("getAllVersions", await registry.getAllVersions());
print("compareModels", await registry.compareModels(before, now));
const file = join(process.cwd(), "metadata.json");
print("createModelMetadata", await registry.createModelMetadata(file, now, { "data.events": 5 }));
print("getRegistrySummary", await registry.getRegistrySummary());
print("rollback", await registry.rollback(before, "the other one misses more at night"));
