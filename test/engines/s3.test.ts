/** Buckets of S3 on real servers. */
import { randomBytes } from "node:crypto";
import { CreateMultipartUploadCommand, ListMultipartUploadsCommand, S3Client } from "@aws-sdk/client-s3";
import { QUIET } from "@smc/store/testing";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { keysOf, readWhole, testBucket } from "../../packages/daemon/src/remotes/bucket-suite.ts";
import { openBucket, parseBucketUrl } from "../../packages/daemon/src/remotes/bucket-url.ts";
import { S3Bucket } from "../../packages/daemon/src/remotes/s3-bucket.ts";
import { type S3Server, type ServerName, startServer } from "./servers.ts";

const MIB = 1024 * 1024;
const MINUTE_MS = 60_000;

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

  test("an object in parts is there once, whoever wins, and comes back", async () => {
    const at = parseBucketUrl(server().freshUrl());
    if (at.kind !== "s3") throw new Error("not S3");
    // The least that S3 takes of a part.
    const open = (): Promise<S3Bucket> =>
      S3Bucket.open(at, { parts: { wholeBytesMax: 6 * MIB, partBytes: 5 * MIB } });
    await using bucket = await open();
    await using other = await open();
    const bodies = [randomBytes(12 * MIB), randomBytes(12 * MIB)];
    const won = await Promise.all(
      [bucket, other].map((each, index) => each.create("large", { bytes: bodies[index] as Buffer }, QUIET)),
    );
    expect(won.filter(Boolean)).toHaveLength(1);
    expect(bodies[won.indexOf(true)]?.equals(await readWhole(bucket.read("large", QUIET)))).toBe(true);
    expect(await bucket.create("large", { bytes: bodies[0] as Buffer }, QUIET)).toBe(false);
    const wrong = { bytes: bodies[0] as Buffer, sha256: "f".repeat(64) };
    await expect(bucket.create("wrong", wrong, QUIET)).rejects.toMatchObject({ code: "REMOTE_FAILED" });
    expect(await bucket.stat("wrong", QUIET)).toBeUndefined();
  });
});

test("versitygw gives back the parts of an upload that was killed, and those of others stay", async () => {
  await using server = await startServer("versitygw");
  Object.assign(process.env, server.credentials);
  const at = parseBucketUrl(server.freshUrl());
  if (at.kind !== "s3" || at.endpoint === undefined) throw new Error("not S3");
  const { bucket: Bucket, prefix, endpoint } = at;
  const client = new S3Client({ endpoint, region: "us-east-1", forcePathStyle: true });
  const keys = [`${prefix}packs/killed`, `${prefix}notes/other`, "packs/elsewhere"];
  for (const Key of keys) await client.send(new CreateMultipartUploadCommand({ Bucket, Key }));
  await using bucket = await S3Bucket.open(at);
  const isOurs = (key: string): boolean => key === "packs/killed";
  const drop = (beforeMs: number): Promise<number> =>
    bucket.dropUploads({ beforeMs, isOurs, dryRun: false }, QUIET);
  expect(await drop(Date.now() - MINUTE_MS)).toBe(0);
  expect(await drop(Date.now() + MINUTE_MS)).toBe(1);
  const { Uploads = [] } = await client.send(new ListMultipartUploadsCommand({ Bucket }));
  expect(Uploads.map(({ Key }) => Key).sort()).toEqual(keys.slice(1).sort());
});

describe("on s3rver", () => {
  const server = useServer("s3rver");
  test("probe() sees that the server replaces what is there and compares nothing", async () => {
    await using bucket = await openBucket(server().freshUrl());
    expect(await bucket.probe(QUIET)).toEqual({ exclusive: false, checksums: false });
    expect(await keysOf(bucket, "")).toEqual([]);
  });
});
