import { execFileSync } from "node:child_process";
import { symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { hashBytes } from "../objects/digest.ts";
import { QUIET, withStore } from "../testing/testing.ts";
import { hashObject } from "./hash-object.ts";

test("hashObject() prints what sha256sum prints, and names what it cannot read", async () => {
  await withStore(async (store, folder) => {
    const file = join(folder, "file");
    await writeFile(file, Buffer.alloc(5_000_000, 7));
    await symlink("file", join(folder, "link"));
    const expected = execFileSync("sha256sum", [file], { encoding: "utf8" }).slice(0, 64);
    const rows = await hashObject(store, { files: [file, join(folder, "link")] }, QUIET);
    expect(rows).toEqual([
      { path: file, digest: expected, sizeBytes: 5_000_000 },
      { path: join(folder, "link"), digest: expected, sizeBytes: 5_000_000 },
    ]);
    const attempt = (path: string) => hashObject(store, { files: [path] }, QUIET);
    await expect(attempt(folder)).rejects.toMatchObject({
      code: "FILE_UNSUPPORTED",
      details: { kind: "folder" },
    });
    await expect(attempt("/dev/zero")).rejects.toMatchObject({ details: { kind: "character device" } });
    await expect(attempt(join(folder, "none"))).rejects.toMatchObject({ code: "PATH_NOT_FOUND" });
    await expect(attempt("relative")).rejects.toMatchObject({ code: "ARGUMENT_INVALID" });
    await expect(attempt("/a\0b")).rejects.toMatchObject({ code: "PATH_INVALID" });
    expect(await store.objects.stat(hashBytes(Buffer.alloc(5_000_000, 7)))).toBeUndefined();
  });
});
