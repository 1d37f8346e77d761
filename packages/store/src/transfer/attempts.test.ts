import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { Digest } from "../objects/digest.ts";
import { withFolder } from "../testing/folder.ts";
import { beginAttempt, endAttempt } from "./attempts.ts";

const digest = (letter: string): Digest => letter.repeat(64) as Digest;
const PUSH = { url: "file:///nas", want: [digest("a"), digest("b")] };

test("a push that was broken off is known by what it pushes and where to, until it ends", async () => {
  await withFolder(async (path) => {
    const store = { path };
    expect(await beginAttempt(store, PUSH, 23)).toBeUndefined();
    expect(await beginAttempt(store, { ...PUSH, want: PUSH.want.toReversed() }, 9)).toBe(23);
    expect(await beginAttempt(store, { ...PUSH, url: "file:///other" }, 9)).toBeUndefined();
    expect(await beginAttempt(store, { ...PUSH, want: [digest("c")] }, 9)).toBeUndefined();
    await endAttempt(store, PUSH);
    expect(await beginAttempt(store, PUSH, 5)).toBeUndefined();
  });
});

test("what there is more of than before is a push that begins anew; nothing was sent of what there is as much of", async () => {
  await withFolder(async (path) => {
    await beginAttempt({ path }, PUSH, 23);
    expect(await beginAttempt({ path }, PUSH, 23)).toBeUndefined();
    expect(await beginAttempt({ path }, PUSH, 30)).toBeUndefined();
    expect(await beginAttempt({ path }, PUSH, 29)).toBe(30);
    expect(await beginAttempt({ path }, PUSH, 0)).toBe(30);
    await endAttempt({ path }, PUSH);
    expect(await beginAttempt({ path }, PUSH, 0)).toBeUndefined();
    expect(await beginAttempt({ path }, PUSH, 5)).toBeUndefined();
  });
});

test.for(["", "null", "{}", '[["a"]]', "[[1,2]]", "not JSON"])(
  "a damaged file (%s) is as none",
  async (text) => {
    await withFolder(async (path) => {
      mkdirSync(join(path, "cache"));
      writeFileSync(join(path, "cache", "pushes.json"), text);
      expect(await beginAttempt({ path }, PUSH, 23)).toBeUndefined();
      expect(await beginAttempt({ path }, PUSH, 9)).toBe(23);
    });
  },
);

test("only the newest hundred are kept, and a folder that cannot be made is no hindrance", async () => {
  await withFolder(async (path) => {
    for (let index = 0; index <= 100; index += 1)
      await beginAttempt({ path }, { ...PUSH, url: `file:///${index}` }, 23);
    expect(await beginAttempt({ path }, { ...PUSH, url: "file:///0" }, 9)).toBeUndefined();
    expect(await beginAttempt({ path }, { ...PUSH, url: "file:///100" }, 9)).toBe(23);
    expect(await beginAttempt({ path: "/proc/none" }, PUSH, 9)).toBeUndefined();
  });
});
