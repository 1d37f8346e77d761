/** What the settings of a server say about pushes, read anew for each. */
import { statfs } from "node:fs/promises";
import {
  type OwnedStore,
  parseBranchPatterns,
  type PushRules,
  readConfig,
  type TokenRecord,
} from "@smc/store";
import { fromErrno } from "@smc/store/errors";

const GIB = 1024 ** 3;
/** Part of the disk that stays free whatever the settings say. */
const FREE_PART_MIN = 0.02;

/** For those who only read: nothing may be changed. */
export const READ_RULES: PushRules = {
  protectedBranches: ["*"],
  isAdmin: false,
  quotaBytes: 0,
  freeBytesMin: Number.MAX_SAFE_INTEGER,
};

/** Throws CONFIG_INVALID and what asking the disk throws. */
export async function readRules(store: Pick<OwnedStore, "path">, caller: TokenRecord): Promise<PushRules> {
  const { entries } = await readConfig({ storePath: store.path });
  const number = (key: string): number => Number(entries.get(key)?.value ?? 0);
  return {
    protectedBranches: parseBranchPatterns(String(entries.get("serve.protectedBranches")?.value ?? "")),
    isAdmin: caller.scopes.includes("admin"),
    quotaBytes: number("serve.quotaGiB") * GIB,
    freeBytesMin: Math.max(
      number("serve.freeGiB") * GIB,
      Math.ceil((await diskBytes(store.path)) * FREE_PART_MIN),
    ),
  };
}

async function diskBytes(path: string): Promise<number> {
  try {
    const { bsize, blocks } = await statfs(path);
    return bsize * blocks;
  } catch (error) {
    throw fromErrno(error, "cannot ask how large the disk is");
  }
}
