import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { withFolder } from "../testing/folder.ts";
import { type History, withHistory } from "../testing/history.ts";
import { QUIET } from "../testing/testing.ts";
import { registry, type RegistryOptions } from "./registry.ts";
import { revParse } from "./rev-parse.ts";
import { versions } from "./versions.ts";

async function withRegistry(
  run: (
    history: History,
    ask: (options: RegistryOptions) => ReturnType<typeof registry>,
    folder: string,
  ) => Promise<void>,
): Promise<void> {
  await withFolder((folder) =>
    withHistory(async (history) => {
      const first = await history.commit({
        files: { "m.bin": "1", "metadata.json": "{}" },
        meta: { metrics: { azi: 50.66 } },
      });
      const second = await history.commit({
        files: { "m.bin": "22" },
        parents: [first],
        meta: { metrics: { azi: 71.28 } },
      });
      await history.point("refs/tags/v1.0.0", first);
      await history.point("refs/tags/v1.0.1", second);
      await history.point("refs/heads/main", second);
      await history.point("refs/registry/champion", second);
      await run(history, (options) => registry(history.repository, options, QUIET), folder);
    }),
  );
}

test("registry() counts, and exports a document whose metadata_path resolves", async () => {
  await withRegistry(async (history, ask) => {
    expect((await ask({ action: "summary" })).summary).toMatchObject({
      repository: "demo",
      versions: 2,
      archived: 0,
      candidates: 1,
      champion: { version: "v1.0.1" },
      challenger: null,
      sizeBytes: 5,
    });
    const { document } = await ask({ action: "export" });
    expect(document).toMatchObject({
      schema_version: "2.0",
      champion: { version: "v1.0.1", status: "champion" },
      all_versions: [
        { version: "v1.0.1", reason: null, metrics: { azi: 71.28 } },
        { version: "v1.0.0", status: "candidate", size_bytes: 3 },
      ],
    });
    const paths = document?.all_versions.map((entry) => entry.metadata_path) ?? [];
    expect(paths[1]).toMatch(/:metadata\.json$/);
    expect(await revParse(history.repository, { revisions: paths }, QUIET)).toBeDefined();
  });
});

test("registry() imports reasons and metrics of a file, twice as once, and says what it could not", async () => {
  await withRegistry(async (history, ask, folder) => {
    const file = join(folder, "model_registry.json");
    const entries = [
      { version: "1.0.0", status: "archived", reason: "azi low", metrics: { azi: 50.66, mag: 98.36 } },
      { name: "convnext_v1.0.1", status: "archived", reason: "x" },
      { version: "0.9.0", status: "archived", reason: "old" },
    ];
    await writeFile(file, JSON.stringify({ champion: { version: "1.0.0" }, all_versions: entries }));
    const { imported } = await ask({ action: "import", file });
    expect(imported).toMatchObject({
      archived: ["v1.0.0"],
      noted: ["v1.0.0"],
      skipped: [
        { version: "convnext_v1.0.1", why: "it is the champion here" },
        { version: "0.9.0", why: "there is no such version here" },
        { version: "1.0.0" },
      ],
    });
    const { versions: rows } = await versions(history.repository, { sort: "version" }, QUIET);
    expect(rows[0]).toMatchObject({
      status: "archived",
      archived: { reason: "azi low", version: "v1.0.0" },
      metrics: { azi: 50.66, mag: 98.36 },
    });
    expect((await ask({ action: "import", file })).imported).toMatchObject({ archived: [], noted: [] });
  });
});

test("registry() tells of what cannot be taken over from an entry, and takes the rest", async () => {
  await withRegistry(async (_, ask, folder) => {
    const file = join(folder, "model_registry.json");
    const metrics = { azi: "50.66 %", huge: null, mag: 98.36 };
    const entries = [
      { version: "1.0.0", status: "archived", reason: "a\0b", metrics },
      { version: "1.0.1", metrics: { mag: 97.63 } },
    ];
    await writeFile(file, JSON.stringify({ all_versions: entries }));
    expect((await ask({ action: "import", file })).imported).toEqual({
      archived: [],
      noted: ["v1.0.0", "v1.0.1"],
      skipped: [
        { version: "1.0.0", why: "no finite number, or too many: azi, huge" },
        { version: "1.0.0", why: "its reason for the archive has a NUL character at 1" },
      ],
    });
  });
});

test.each([
  ["{", /not JSON/],
  ["[]", /not an object/],
  ["{}", /all_versions/],
  ['{"all_versions": [{}]}', /version 1 has no name/],
])("registry() refuses to import %s", async (text, message) => {
  await withRegistry(async (_, ask, folder) => {
    const file = join(folder, "r.json");
    await writeFile(file, text);
    await expect(ask({ action: "import", file })).rejects.toThrow(message);
    await expect(ask({ action: "import" })).rejects.toMatchObject({ code: "ARGUMENT_INVALID" });
  });
});
