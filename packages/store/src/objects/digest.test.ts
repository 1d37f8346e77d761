import { expect, test } from "vitest";
import { formatCid, hashBytes, parseDigest } from "./digest.ts";

const HELLO = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";

test("hashBytes() gives what sha256sum prints", () => {
  expect(hashBytes(Buffer.from("hello"))).toBe(HELLO);
  expect(hashBytes(new Uint8Array(0))).toBe(
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
  );
});

test("parseDigest() reads hex, sha256: and CIDv1, in and out", () => {
  const digest = parseDigest(HELLO);
  expect(parseDigest(`sha256:${HELLO}`)).toBe(digest);
  expect(formatCid(digest, "blob")).toBe("bafkreibm6jg3ux5qumhcn2b3flc3tyu6dmlb4xa7u5bf44yegnrjhc4yeq");
  expect(formatCid(digest, "commit")).toMatch(/^bafyrei/);
  expect(parseDigest(formatCid(digest, "blob"))).toBe(digest);
  expect(parseDigest(formatCid(digest, "tree"))).toBe(digest);
});

test.each([
  "",
  HELLO.slice(1),
  `${HELLO}0`,
  HELLO.toUpperCase(),
  `sha256-${HELLO}`,
  `SHA256:${HELLO}`,
  `sha1:${HELLO.slice(0, 40)}`,
  `md5:${HELLO.slice(0, 32)}`,
  "sha256:../../../../etc/passwd",
  `${HELLO}\n`,
  HELLO.replace("a", "\u0430"),
  "QmYwAPJzv5CZsnA625s3Xf2nemtYgPpHdWEz79ojWnPbdG",
])("parseDigest() refuses %j", (text) => {
  expect(() => parseDigest(text)).toThrow(expect.objectContaining({ code: "DIGEST_INVALID" }));
});
