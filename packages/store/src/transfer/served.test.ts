import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openStore } from "../open-store.ts";
import { remoteSuite } from "../testing/remote-suite.ts";
import { ServedRepository } from "./served.ts";

const RULES = { protectedBranches: [], isAdmin: false, quotaBytes: 0, freeBytesMin: 0 };

remoteSuite(
  "another store",
  async () => {
    const folder = await mkdtemp(join(tmpdir(), "smc served-"));
    const store = await openStore(join(folder, "server"), { create: true });
    return {
      open: ({ id }) => {
        const options = {
          store,
          repository: "cats",
          client: id,
          actor: "Ada <ada@example.org>",
          rules: RULES,
        };
        return Promise.resolve(new ServedRepository(options));
      },
      [Symbol.asyncDispose]: async () => {
        await store[Symbol.asyncDispose]();
        await rm(folder, { recursive: true });
      },
    };
  },
  { verifies: true },
);
