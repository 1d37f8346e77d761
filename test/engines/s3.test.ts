/** Buckets of S3 on real servers. */
import { QUIET } from "@smc/store/testing";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { keysOf, testBucket } from "../../packages/daemon/src/remotes/bucket-suite.ts";
import { openBucket } from "../../packages/daemon/src/remotes/bucket-url.ts";
import { type S3Server, type ServerName, startServer } from "./servers.ts";

/** Registers a server that runs as long as the tests of this block, and its credentials as ours. */
function useServer(name: ServerName): () => S3Server {
  let server: S3Server | undefined;
  beforeAll(async () => {
    server = await startServer(name);
    Object.assign(process.env, server.credentials);
  });
  afterAll(async () => {
    await server?.[Symbol.asyncDispose]();
  });
  return () => {
    if (server === undefined) throw new Error("the server did not start");
    return server;
  };
}

describe.each(["minio", "versitygw"] as const)("on %s", (name) => {
  const server = useServer(name);
  testBucket(name, () => openBucket(server().freshUrl()));
});

describe("on s3rver", () => {
  const server = useServer("s3rver");
  test("probe() sees that the server replaces what is there and compares nothing", async () => {
    await using bucket = await openBucket(server().freshUrl());
    expect(await bucket.probe(QUIET)).toEqual({ exclusive: false, checksums: false });
    expect(await keysOf(bucket, "")).toEqual([]);
  });
});
