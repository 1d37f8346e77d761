import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { interceptCalls } from "../fs.ts";
import { placeOf } from "../testing/files-place.ts";
import { codeOf } from "../testing/remote-scene.ts";
import { QUIET } from "../testing/testing.ts";
import { withTwoStores } from "../testing/two-stores.ts";
import { audit } from "./audit.ts";
import { download } from "./download.ts";
import { upload } from "./upload.ts";

test("download() that fails anywhere leaves the old file, and the next one succeeds; the audit log has each", async () => {
  await withTwoStores(async ({ a, b, remote }) => {
    const named = { remote, remoteName: "origin" };
    await a.write({ "best.pt": "weights" });
    await upload(placeOf(a), { ...named, file: "best.pt" }, QUIET);
    await b.write({ "data/models/downloads/best.pt": "old" });
    const path = join(b.root, "data/models/downloads/best.pt");
    const options = { ...named, name: "best.pt", force: true };
    let failed = 0;
    for (let nth = 0; ; nth += 1) {
      let count = 0;
      interceptCalls((what, at) => {
        if (!at.startsWith(join(b.root, "data")) || what === "remove") return;
        if (count === nth) throw Object.assign(new Error("broken"), { code: "EIO", syscall: what });
        count += 1;
      });
      const code = await codeOf(() => download(placeOf(b), options, QUIET)).finally(() =>
        interceptCalls(undefined),
      );
      if (code === "nothing thrown") break;
      failed += 1;
      expect(code).toBe("IO_FAILED");
      expect(["old", "weights"]).toContain(readFileSync(path, "utf8"));
    }
    expect(failed).toBeGreaterThan(3);
    expect(readFileSync(path, "utf8")).toBe("weights");
    const { entries } = await audit(b.store, {}, QUIET);
    expect(entries.map(({ op }) => op)).toContain("download");
    expect((await audit(a.store, {}, QUIET)).entries.map(({ op }) => op)).toContain("upload");
  });
});
