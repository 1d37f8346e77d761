/** For tests: a store that serves its repository `cats`, and another one that pushes there. */
import { readdirSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { openStore, type OwnedStore } from "../open-store.ts";
import type { RefChange } from "../refs/refs.ts";
import type { IncomingPack } from "../transfer/incoming-body.ts";
import type { PushRules } from "../transfer/push-rules.ts";
import type { PackFile, Remote } from "../transfer/remote.ts";
import { ServedRepository } from "../transfer/served.ts";
import { packsOf } from "./remote-scene.ts";
import { QUIET, withFolder } from "./testing.ts";
import { type Bench, openBench } from "./worktree.ts";

export const CLIENT = "0123456789abcdef";
export const PUSHED = { op: "push", reason: "push: main", actor: "Eve <eve@example.org>" };

export interface Served {
  readonly folder: string;
  readonly server: OwnedStore;
  /** Another store. */
  readonly a: Bench;
  /** As somebody, under these rules. */
  readonly as: (client: string, rules?: Partial<PushRules>) => ServedRepository;
  readonly remote: ServedRepository;
  /** Ends the server and starts it again. */
  readonly restart: () => Promise<void>;
  /** Files in quarantine. */
  readonly waiting: () => string[];
}

export async function withServed(run: (served: Served) => Promise<void>): Promise<void> {
  await withFolder(async (folder) => {
    await using mine = await openStore(join(folder, "mine"), { create: true });
    const path = join(folder, "server");
    let server = await openStore(path, { create: true });
    const as: Served["as"] = (client, rules = {}) => {
      const all = { protectedBranches: [], isAdmin: false, quotaBytes: 0, freeBytesMin: 0, ...rules };
      const actor = "Ada <ada@example.org>";
      return new ServedRepository({ store: server, repository: "cats", client, actor, rules: all });
    };
    try {
      await run({
        folder,
        get server() {
          return server;
        },
        a: await openBench(mine, join(folder, "a")),
        as,
        get remote() {
          return as(CLIENT);
        },
        restart: async () => {
          await server[Symbol.asyncDispose]();
          server = await openStore(path);
        },
        waiting: () => filesIn(join(path, "quarantine")),
      });
    } finally {
      await server[Symbol.asyncDispose]();
    }
  });
}

function filesIn(folder: string): string[] {
  try {
    const entries = readdirSync(folder, { recursive: true, withFileTypes: true });
    return entries.filter((entry) => entry.isFile()).map(({ name }) => name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw error;
  }
}

/** Puts all packs of a store, as they are. */
export async function putAll(remote: Remote, bench: Bench): Promise<PackFile[]> {
  const packs = await packsOf(bench);
  for (const pack of packs) await remote.putPack(pack, QUIET);
  return packs;
}

/** What a client sends of a pack's file. */
export async function incoming({ path, name }: PackFile): Promise<IncomingPack & { readonly bytes: Buffer }> {
  const bytes = await readFile(path);
  return { name, sizeBytes: bytes.length, bytes, body: inPieces(bytes) };
}

// oxlint-disable-next-line require-await
export async function* inPieces(bytes: Buffer, pieceBytes = 64 * 1024): AsyncIterable<Uint8Array> {
  for (let at = 0; at < bytes.length; at += pieceBytes) yield bytes.subarray(at, at + pieceBytes);
}

export function update(remote: Remote, changes: readonly RefChange[]): Promise<void> {
  return remote.update(changes, PUSHED, QUIET);
}
