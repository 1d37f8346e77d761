/** For tests: the packs of a store with one commit, and how they are sent. */
import { readdirSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { commitSeries, withStore } from "@smc/store/testing";
import type { Ask, BytesAnswer } from "./testing.ts";

export interface SentPack {
  readonly name: string;
  readonly bytes: Buffer;
}

export interface Source {
  readonly packs: readonly SentPack[];
  readonly commit: string;
  readonly blob: string;
}

/** A commit of one model, made in a store of its own that is gone afterwards. */
export async function makeSource(): Promise<Source> {
  return withStore(async (store, folder) => {
    const { versions } = await commitSeries(store, folder, 1);
    const root = join(store.path, "packs");
    const files = readdirSync(root, { recursive: true, encoding: "utf8" }).filter((name) =>
      name.endsWith(".pack"),
    );
    const packs = files.map((file) => ({
      name: basename(file, ".pack"),
      bytes: readFileSync(join(root, file)),
    }));
    const [version] = versions;
    return { packs, commit: version?.commit ?? "", blob: version?.blob ?? "" };
  });
}

/** A PUT of a pack to `demo`. */
export function putOf({ name, bytes }: SentPack): Ask {
  return { method: "PUT", path: `/v1/repositories/demo/packs/${name}`, body: bytes };
}

/** Moves refs of `demo`. */
export function updateOf(
  changes: readonly object[],
  reason: object = { op: "push", reason: "push: test" },
): Ask {
  return {
    method: "POST",
    path: "/v1/repositories/demo/update",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ changes, reason }),
  };
}

/** The last line of an answer that may have lines of progress before. */
export function lastLine({ text }: BytesAnswer): {
  result?: unknown;
  error?: { code: string; message: string };
} {
  return JSON.parse(text.trimEnd().split("\n").at(-1) ?? "");
}

/** Status and code of an answer that is an error. */
export function codeOf(answer: BytesAnswer): [status: number, code: string | undefined] {
  return [answer.status, lastLine(answer).error?.code];
}
