import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { writeNewFile } from "./new-file.ts";

test("writeNewFile() into a folder that is not there names the file that was asked for", async () => {
  const folder = mkdtempSync(join(tmpdir(), "smc-new-file-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const path = join(folder, "absent", "curve.svg");
  await expect(writeNewFile(path, { force: false }, async () => undefined)).rejects.toMatchObject({
    code: "PATH_NOT_FOUND",
    message: `cannot write '${path}': no such file or folder`,
  });
  expect(readdirSync(folder)).toEqual([]);
});
