import { expect, test } from "vitest";
import { hashBytes } from "../objects/digest.ts";
import { encodeTree } from "../objects/objects.ts";
import { QUIET, withStore } from "../testing/testing.ts";
import { Mark } from "./mark.ts";

test("what a command brings from the top down may lack its parts for now; what a ref needs may not", async () => {
  await withStore(async (store) => {
    const blob = hashBytes(Buffer.from("on its way"));
    const entry = { name: "m.bin", mode: "100644" as const, digest: blob, sizeBytes: 10 };
    await using session = store.write("test");
    const inner = await session.putObject("tree", encodeTree([entry]));
    const outer = encodeTree([{ name: "f", mode: "040000", digest: inner, sizeBytes: 0 }]);
    const tree = await session.putObject("tree", outer);
    await session.finish();
    const mark = new Mark(store, QUIET);
    await mark.addPin(tree);
    expect([tree, inner].map((digest) => mark.live.has(digest))).toEqual([true, true]);
    await expect(mark.add({ digest: tree, from: "a ref" })).rejects.toMatchObject({ code: "OBJECT_MISSING" });
  });
});
