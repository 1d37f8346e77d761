import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { remoteSuite } from "@smc/store/testing";
import { BucketRemote } from "./bucket-remote.ts";
import { openBucket } from "./bucket-url.ts";

remoteSuite(
  "a bucket in a folder",
  async () => {
    const folder = await mkdtemp(join(tmpdir(), "smc bucket-"));
    const url = pathToFileURL(folder).href;
    return {
      open: async (store) => new BucketRemote(await openBucket(url), store),
      [Symbol.asyncDispose]: () => rm(folder, { recursive: true }),
    };
  },
  { verifies: false },
);
