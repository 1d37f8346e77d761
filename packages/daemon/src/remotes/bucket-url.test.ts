import { expect, test } from "vitest";
import { codeOf } from "./bucket-suite.ts";
import { openBucket, parseBucketUrl } from "./bucket-url.ts";

test("parseBucketUrl() reads folders", () => {
  expect(parseBucketUrl("file:///srv/models")).toEqual({
    kind: "file",
    path: "/srv/models",
    url: "file:///srv/models",
  });
  expect(parseBucketUrl("FILE:///srv/my%20models%3F//")).toMatchObject({ path: "/srv/my models?" });
  expect(parseBucketUrl("file:///srv/ä b")).toMatchObject({ path: "/srv/ä b" });
});

test("parseBucketUrl() reads buckets", () => {
  expect(parseBucketUrl("s3://models")).toEqual({
    kind: "s3",
    bucket: "models",
    prefix: "",
    endpoint: undefined,
    region: undefined,
    url: "s3://models/",
  });
  expect(parseBucketUrl("S3://my.models/a/b-c/?endpoint=http://127.0.0.1:9000&region=us-east-1")).toEqual({
    kind: "s3",
    bucket: "my.models",
    prefix: "a/b-c/",
    endpoint: "http://127.0.0.1:9000",
    region: "us-east-1",
    url: "s3://my.models/a/b-c?endpoint=http://127.0.0.1:9000&region=us-east-1",
  });
  const endpoints = ["http://localhost:1", "http://[::1]:9000", "https://s3.example.org", "http://127.9.9.9"];
  for (const endpoint of endpoints) {
    expect(parseBucketUrl(`s3://models?endpoint=${encodeURIComponent(endpoint)}`)).toMatchObject({
      endpoint,
    });
  }
  expect(parseBucketUrl("s3://models?endpoint=http://nas:9000&insecure=1")).toMatchObject({
    endpoint: "http://nas:9000",
    url: "s3://models/?endpoint=http://nas:9000",
  });
});

const INVALID = [
  "",
  "/srv/models",
  "models",
  "-oProxyCommand=x",
  "--upload-pack=x",
  "ext::sh -c x",
  "EXT::sh",
  "ftp://host/x",
  "http://host/x",
  "javascript:alert(1)",
  " s3://models",
  "file://host/srv",
  "file://srv",
  "file:srv",
  "file:/srv",
  "file:///",
  "file:////",
  "file:///srv/../etc",
  "file:///srv/%2e%2E/etc",
  "file:///srv/./x",
  "file:///srv/..",
  "file:///srv%2fetc",
  "file:///srv%00x",
  "file:///srv%0ax",
  "file:///srv%zz",
  "file:///srv?x=1",
  "file:///srv#x",
  "file:///srv\\x",
  "s3://",
  "s3:///models",
  "s3://user:secret@models/x",
  "s3://secret@models/x",
  "s3://models:9000/x",
  "s3://Models/x",
  "s3://mo/x",
  "s3://192.168.0.1/x",
  "s3://a..b/x",
  "s3://-models/x",
  "s3://models/../x",
  "s3://models/a/%2e%2e/x",
  "s3://models/a/../x",
  "s3://models/a//x",
  "s3://models//x",
  "s3://models/.x",
  "s3://models/ä",
  "s3://models/a b",
  "s3://models/a\nb",
  "s3://models/a\rb",
  "s3://models/a\tb",
  "s3://models/a\u202eb",
  "s3://models/x#y",
  "s3://models?secret=AKIASECRET",
  "s3://models?region=a&region=b",
  "s3://models?region=US_EAST",
  "s3://models?region=",
  "s3://models?insecure=yes",
  "s3://models?endpoint=http://nas:9000",
  "s3://models?endpoint=http://127.0.0.1.example.org",
  "s3://models?endpoint=http://localhost.example.org",
  "s3://models?endpoint=https://user:secret@nas",
  "s3://models?endpoint=https://nas/path",
  "s3://models?endpoint=https://nas?x=1",
  "s3://models?endpoint=https://nas%0d%0aHost:x",
  "s3://models?endpoint=ftp://nas",
  "s3://models?endpoint=nas",
  "s3://models?endpoint=",
  `s3://models/${"x/".repeat(1000)}`,
];

test.for(INVALID)("parseBucketUrl() refuses %j and opens nothing", async (text) => {
  expect(await codeOf(async () => parseBucketUrl(text))).toBe("URL_INVALID");
  expect(await codeOf(() => openBucket(text))).toBe("URL_INVALID");
});

test("what is wrong with an address is told without its secrets", () => {
  for (const text of INVALID.filter((text) => /secret/i.test(text))) {
    let message = "";
    try {
      parseBucketUrl(text);
    } catch (error) {
      message = String(error);
    }
    expect(message).toContain("address");
    expect(message).not.toMatch(/SECRET|secret@|:secret/);
  }
});
