import { createHash } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { withFolder } from "../testing/folder.ts";
import { QUIET } from "../testing/testing.ts";
import { legacyTextMd5 } from "./dvc-md5.ts";
import { cachePaths, parseCacheFolder, parseDvcFile, parseDvcLock, parseManifest } from "./dvc-outputs.ts";

const MD5 = "0123456789abcdef0123456789abcdef";

test("parseDvcFile() names what lies beside the file, and leaves out what is elsewhere", () => {
  const text = `outs:
- md5: ${MD5}.dir
  size: 10
  nfiles: 2
  hash: md5
  path: data
- md5: ${MD5}
  path: sub/model.pt
  isexec: true
- md5: ${MD5}
  path: ../../outside
- path: s3://bucket/x
  etag: abc
- path: later
`;
  const { outputs, leftOut } = parseDvcFile("models/all.dvc", text);
  expect(outputs).toEqual([
    {
      path: "models/data",
      md5: `${MD5}.dir`,
      isFolder: true,
      sizeBytes: 10,
      isExecutable: false,
      isLegacy: false,
    },
    {
      path: "models/sub/model.pt",
      md5: MD5,
      isFolder: false,
      sizeBytes: undefined,
      isExecutable: true,
      isLegacy: true,
    },
  ]);
  expect(leftOut.map(({ what }) => what)).toEqual([
    "models/all.dvc: ../../outside",
    "models/all.dvc: s3://bucket/x",
    "models/all.dvc: later",
  ]);
  expect(cachePaths(outputs[1] ?? { md5: "", isLegacy: false })[0]).toBe(`01/${MD5.slice(2)}`);
});

test("parseDvcLock() looks for outputs where dvc.yaml says that a stage works", () => {
  const lock = `schema: '2.0'
stages:
  train@a:
    cmd: x
    outs: [{path: model.pt, hash: md5, md5: ${MD5}, size: 3}]
  eval:
    outs: [{path: out.json, md5: ${MD5}}]
`;
  const plan = "stages:\n  train:\n    wdir: src\n    foreach: [a]\n    do: {cmd: x}\n";
  expect(parseDvcLock("p/dvc.lock", lock, plan).outputs.map(({ path }) => path)).toEqual([
    "p/src/model.pt",
    "p/out.json",
  ]);
  expect(() => parseDvcLock("dvc.lock", "a: [", undefined)).toThrowError("'dvc.lock', line 1: ");
});

test("parseManifest() and parseCacheFolder() read what DVC writes, and refuse the rest", () => {
  expect(parseManifest("x", `[{"md5": "${MD5}", "relpath": "a/b"}]`)).toEqual([{ md5: MD5, path: "a/b" }]);
  for (const wrong of ["{}", "[1]", '[{"md5": "x", "relpath": "a"}]', "["])
    expect(() => parseManifest("x", wrong)).toThrowError("nothing was imported");
  expect(
    parseCacheFolder('[core]\n dir = no\n["cache"]\n    dir = /mnt/cache\n[remote "x"]\n dir = no'),
  ).toBe("/mnt/cache");
});

test("legacyTextMd5() counts line feeds only, wherever pieces are parted", async () => {
  await withFolder(async (folder) => {
    const path = join(folder, "text");
    for (const text of ["a\r\nb\rc\r", "\r\n\r\n", "no", "\r\r\n", `${"x".repeat(1024 * 1024 - 1)}\r\ny`]) {
      await writeFile(path, text);
      const wanted = createHash("md5").update(text.replaceAll("\r\n", "\n")).digest("hex");
      expect(await legacyTextMd5(path, QUIET)).toBe(wanted);
    }
  });
});
