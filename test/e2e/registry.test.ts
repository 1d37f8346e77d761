import { afterAll, beforeAll, expect, test } from "vitest";
import { createSandbox } from "./sandbox.ts";

const box = await createSandbox();
afterAll(() => box[Symbol.asyncDispose]());

beforeAll(async () => {
  await box.commit("one", { m: "1", "metadata.json": "{}" }, "--metric", "azi=50.66", "--tag", "v1.0.0");
  await box.commit("two", { m: "22" }, "--metric", "azi=71.28", "--tag", "v1.0.1");
});

interface Exported {
  readonly all_versions: readonly {
    readonly version: string;
    readonly metadata_path: string;
    readonly status: string;
  }[];
}

test("S3.1 S3.4 smc registry export has all_versions, and every metadata_path resolves", async () => {
  const exported: Exported = JSON.parse(await box.ok("registry", "export", "--schema", "2.0"));
  expect(exported).toMatchObject({ schema_version: "2.0" });
  expect(exported.all_versions.map(({ version }) => version)).toEqual(["v1.0.1", "v1.0.0"]);
  for (const { metadata_path: path, status } of exported.all_versions) {
    await box.ok("cat-file", "-p", path);
    expect(["champion", "challenger", "archived", "candidate"]).toContain(status);
  }
});

test("S3.2 all_versions has every version ever committed, also without a name, and --named those with one", async () => {
  const commit = await box.commit("three", { m: "333" });
  await box.ok("switch", "-q", "-c", "side", "v1.0.0");
  const aside = await box.commit("four", { m: "4444" });
  await box.ok("switch", "-q", "main");
  const { all_versions: all }: Exported = JSON.parse(await box.ok("registry", "export", "--schema", "2.0"));
  const names = [aside, commit].map((digest) => `c-${digest.slice(0, 12)}`);
  expect(all.map(({ version }) => version).sort()).toEqual([...names.sort(), "v1.0.0", "v1.0.1"]);
  for (const { metadata_path: path } of all) await box.ok("cat-file", "-t", path);
  expect(await box.ok("registry", "export", "--named", "-q")).toBe("v1.0.1\nv1.0.0\n");
});

test("S3.13 smc registry import takes reasons over, and the summary counts", async () => {
  const entry = {
    version: "convnext_v1.0.0",
    status: "archived",
    reason: "Azi rendah",
    metrics: { mag: 98.36 },
  };
  box.write(
    "model_registry.json",
    JSON.stringify({ all_versions: [entry, { version: "0.1.0", status: "archived" }] }),
  );
  const text = await box.ok("registry", "import", "model_registry.json");
  expect(text).toContain("archived  v1.0.0\n");
  expect(text).toContain("left out  0.1.0: there is no such version here\n");
  expect(await box.json("registry", "summary")).toMatchObject({
    versions: 2,
    archived: 1,
    candidates: 1,
    champion: null,
    challenger: null,
  });
  expect(await box.ok("versions", "--sort", "version")).toMatch(/^v1\.0\.0 +archived .*Azi rendah$/m);
  expect(await box.ok("registry")).toContain("2 versions, 1 archived, 1 candidate, ");
});

test.each([
  [["registry", "sum"], 2, "USAGE"],
  [["registry", "import"], 2, "USAGE"],
  [["registry", "import", "m"], 2, "FILE_MALFORMED"],
  [["registry", "import", "nowhere.json"], 3, "PATH_NOT_FOUND"],
] as const)("smc %j is refused", async (words, exit, code) => {
  expect(await box.refused(...words)).toMatchObject({ exit, code });
});
