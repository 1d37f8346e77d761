import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { interceptCalls } from "@smc/store/fs";
import { QUIET, withStore } from "@smc/store/testing";
import { expect, test } from "vitest";
import { codeOf } from "./bucket-suite.ts";
import { probeRemote } from "./open-remote.ts";
import { answer, useCredentials, withServer, xml } from "./s3-server.ts";

useCredentials();

/** Probes a folder in which these calls fail so. */
async function probeFailing(errno: string, calls: readonly string[]) {
  return withStore(async (store, above) => {
    const folder = join(above, "nas");
    mkdirSync(join(folder, ".tmp"), { recursive: true });
    interceptCalls((name, path) => {
      if (path.startsWith(folder) && calls.includes(name))
        throw Object.assign(new Error(errno), { code: errno, syscall: name });
    });
    try {
      return await probeRemote(`file://${folder}`, { store }, QUIET);
    } finally {
      interceptCalls(undefined);
    }
  });
}

test.for(["EROFS", "EACCES"])("a folder that takes no writes (%s) can be fetched from", async (errno) => {
  const found = await probeFailing(errno, ["create", "remove"]);
  expect(found).toEqual({ readOnly: true, exclusive: true });
});

test("a folder that is full is not taken for one that can be fetched from only", async () => {
  expect(await codeOf(() => probeFailing("ENOSPC", ["write"]))).toBe("DISK_FULL");
});

test("a folder that takes files and lets none be removed is told, not taken for one to be read", async () => {
  expect(await codeOf(() => probeFailing("EACCES", ["remove"]))).toBe("PERMISSION_DENIED");
});

test("a bucket with keys that may only read can be fetched from", async () => {
  await withStore(async (store) => {
    await withServer(
      (request, response) => {
        if (request.method === "PUT") answer(response, 403, xml("AccessDenied"));
        else if (request.url?.includes("probe") === true) answer(response, 404, xml("NoSuchKey"));
        else answer(response, 200);
      },
      async (bucket) => {
        const found = await probeRemote(bucket.url, { store }, QUIET);
        expect(found).toEqual({ readOnly: true, exclusive: true });
      },
    );
  });
});
