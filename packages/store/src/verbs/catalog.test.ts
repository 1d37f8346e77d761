import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { placeOf, webOf } from "../testing/files-place.ts";
import { codeOf } from "../testing/remote-scene.ts";
import { QUIET } from "../testing/testing.ts";
import { withWorktree } from "../testing/worktree.ts";
import { catalog, type CatalogOptions, type CatalogResult, type WebPlace } from "./catalog.ts";
import { setup } from "./setup.ts";

const URL = "https://models.example/best.pt";
const sha256 = (text: string): string => createHash("sha256").update(text).digest("hex");
const md5 = (text: string): string => createHash("md5").update(text).digest("hex");

async function withCatalog(
  files: Record<string, string>,
  run: (scene: {
    place: WebPlace;
    asked: string[];
    file: string;
    run: (options: CatalogOptions) => Promise<CatalogResult>;
  }) => Promise<void>,
): Promise<void> {
  await withWorktree(async (bench) => {
    const web = webOf(files);
    const place = { ...placeOf(bench), web };
    const file = join(bench.root, "smc.models.json");
    await run({ place, asked: web.asked, file, run: (options) => catalog(place, options, QUIET) });
  });
}

test("catalog() adds, lists and removes models in a file that people can read", async () => {
  await withCatalog({}, async ({ file, run }) => {
    expect((await run({ action: "list" })).models).toEqual([]);
    const digest = sha256("weights");
    await run({
      action: "add",
      names: ["best.pt"],
      url: `${URL}?key=1`,
      sha256: digest.toUpperCase(),
      default: true,
    });
    await run({ action: "add", names: ["b.pt"], url: URL, md5: md5("b"), description: "the small one" });
    expect(JSON.parse(readFileSync(file, "utf8"))).toEqual({
      version: 1,
      models: {
        "best.pt": { url: `${URL}?key=1`, sha256: digest, default: true },
        "b.pt": { url: URL, md5: md5("b"), description: "the small one" },
      },
    });
    expect(await codeOf(() => run({ action: "add", names: ["b.pt"], url: URL }))).toBe("ALREADY_EXISTS");
    await run({ action: "add", names: ["b.pt"], url: URL, force: true });
    expect((await run({ action: "list" })).models).toMatchObject([
      { name: "best.pt", url: `${URL}?…`, sha256: digest, md5: null, isDefault: true, path: null },
      { name: "b.pt", url: URL, md5: null, description: null },
    ]);
    await run({ action: "rm", names: ["best.pt"] });
    expect(Object.keys(JSON.parse(readFileSync(file, "utf8")).models)).toEqual(["b.pt"]);
    expect(await codeOf(() => run({ action: "rm", names: ["best.pt"] }))).toBe("PATH_NOT_FOUND");
  });
});

test.each<[string, Omit<CatalogOptions, "action">, string]>([
  ["no URL", {}, "USAGE"],
  ["a password in the URL", { url: "https://ada:geheim@host/best.pt" }, "URL_INVALID"],
  ["another scheme", { url: "file:///etc/passwd" }, "URL_INVALID"],
  ["a fragment", { url: `${URL}#x` }, "URL_INVALID"],
  ["plain HTTP without a SHA-256", { url: "http://models.example/best.pt", md5: md5("x") }, "URL_INVALID"],
  ["a digest that is none", { url: URL, sha256: "abc" }, "ARGUMENT_INVALID"],
  ["a name with a folder", { url: URL, names: ["../best.pt"] }, "PATH_INVALID"],
  ["a name of records", { url: URL, names: ["best.pt.json"] }, "PATH_INVALID"],
  ["two names", { url: URL, names: ["a", "b"] }, "USAGE"],
])("catalog() adds no model with %s", async (_, options, code) => {
  await withCatalog({}, async ({ file, run }) => {
    expect(await codeOf(() => run({ names: ["best.pt"], ...options, action: "add" }))).toBe(code);
    expect(existsSync(file)).toBe(false);
  });
});

test.each([
  ["no JSON", "{"],
  ["a list", "[]"],
  ["no version", '{"models":{}}'],
  ["a field that nobody knows", '{"version":1,"models":{},"extra":1}'],
  ["a check that is spelled wrong", `{"version":1,"models":{"a":{"url":"${URL}","sha265":"x"}}}`],
  ["a digest that is none", `{"version":1,"models":{"a":{"url":"${URL}","sha256":"x"}}}`],
  ["a password", '{"version":1,"models":{"a":{"url":"https://ada:geheim@host/a"}}}'],
  ["a name that leads elsewhere", `{"version":1,"models":{"../a":{"url":"${URL}"}}}`],
  ["text for a flag", `{"version":1,"models":{"a":{"url":"${URL}","default":"yes"}}}`],
])("catalog() reads nothing from a file with %s, and does not change it", async (_, text) => {
  await withCatalog({}, async ({ file, run }) => {
    writeFileSync(file, text);
    const error: unknown = await run({ action: "list" }).catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: "FILE_MALFORMED" });
    expect(String(error)).not.toContain("geheim");
    expect(await codeOf(() => run({ action: "add", names: ["b"], url: URL }))).toBe("FILE_MALFORMED");
    expect(readFileSync(file, "utf8")).toBe(text);
  });
});

test("catalog() keeps the schema that a file names, and refuses a newer version", async () => {
  await withCatalog({}, async ({ file, run }) => {
    writeFileSync(file, '{"$schema":"./models.schema.json","version":1,"models":{}}');
    await run({ action: "add", names: ["a"], url: URL });
    expect(readFileSync(file, "utf8")).toContain('"$schema": "./models.schema.json"');
    writeFileSync(file, '{"version":2,"models":{}}');
    expect(await codeOf(() => run({ action: "list" }))).toBe("FORMAT_UNSUPPORTED");
  });
});

test("catalog() downloads what fits its digests, and asks for it once", async () => {
  await withCatalog({ [URL]: "weights" }, async ({ place, asked, run }) => {
    const both = { url: URL, sha256: sha256("weights"), md5: md5("weights"), description: "of May" };
    await run({ action: "add", names: ["best.pt"], ...both });
    const { pulled } = await run({ action: "pull", names: ["best.pt"] });
    const path = join(place.models, "downloads", "best.pt");
    expect(pulled).toMatchObject([
      { name: "best.pt", error: null, file: { path, downloaded: true, sizeBytes: 7 } },
    ]);
    expect(readFileSync(path, "utf8")).toBe("weights");
    expect(readdirSync(join(place.models, "downloads"))).toEqual(["best.pt", "best.pt.json"]);
    expect(JSON.parse(readFileSync(`${path}.json`, "utf8"))).toMatchObject({
      url: URL,
      description: "of May",
      downloaded: expect.stringMatching(/^\d{4}-/),
      md5: md5("weights"),
    });
    expect((await run({ action: "pull", all: true })).pulled).toMatchObject([
      { file: { downloaded: false } },
    ]);
    expect(asked).toHaveLength(1);
    expect((await run({ action: "list" })).models).toMatchObject([{ name: "best.pt", path }]);
    writeFileSync(path, "mine");
    expect(await codeOf(() => run({ action: "pull", all: true }))).toBe("WOULD_OVERWRITE");
    expect(readFileSync(path, "utf8")).toBe("mine");
    await run({ action: "pull", all: true, force: true });
    expect(readFileSync(path, "utf8")).toBe("weights");
  });
});

test("catalog() asks once for what has no digest, as long as nobody says --force", async () => {
  await withCatalog({ [URL]: "weights", [`${URL}?v=2`]: "2" }, async ({ place, asked, run }) => {
    await run({ action: "add", names: ["best.pt"], url: URL });
    await run({ action: "pull", all: true });
    await run({ action: "pull", all: true });
    expect(asked).toHaveLength(1);
    await run({ action: "pull", all: true, force: true });
    expect(asked).toHaveLength(2);
    // Another query may be another file.
    await run({ action: "add", names: ["best.pt"], url: `${URL}?v=2`, force: true });
    expect(await codeOf(() => run({ action: "pull", all: true }))).toBe("WOULD_OVERWRITE");
    expect(readFileSync(join(place.models, "downloads", "best.pt"), "utf8")).toBe("weights");
  });
});

test.each([["sha256"], ["md5"]])("catalog() keeps nothing of what has another %s", async (kind) => {
  await withCatalog({ [URL]: "weights" }, async ({ place, asked, run }) => {
    const digest = kind === "md5" ? { md5: md5("others") } : { sha256: sha256("others") };
    await run({ action: "add", names: ["best.pt"], url: URL, ...digest });
    expect(await codeOf(() => run({ action: "pull", all: true }))).toBe("OBJECT_CORRUPT");
    expect(readdirSync(join(place.models, "downloads"))).toEqual([]);
    expect(asked).toHaveLength(1);
  });
});

test("catalog() goes on with the others when one fails, and fails when the only one does", async () => {
  await withCatalog({ [URL]: "weights", [`${URL}3`]: "3" }, async ({ run }) => {
    for (const [name, url] of [
      ["a", URL],
      ["b", `${URL}2`],
      ["c", `${URL}3`],
    ] as const)
      await run({ action: "add", names: [name], url });
    const { pulled } = await run({ action: "pull", all: true });
    expect(pulled.map(({ name, error }) => [name, error?.code])).toEqual([
      ["a", undefined],
      ["b", "REMOTE_FAILED"],
      ["c", undefined],
    ]);
    expect(await codeOf(() => run({ action: "pull", names: ["b"] }))).toBe("REMOTE_FAILED");
    await run({ action: "add", names: ["e"], url: `${URL}4` });
    const { pulled: none, recorded } = await run({ action: "pull", names: ["b", "e"] });
    expect(none.map(({ error }) => error?.code)).toEqual(["REMOTE_FAILED", "REMOTE_FAILED"]);
    expect(recorded).toBe(false);
    expect(await codeOf(() => run({ action: "pull", names: ["d"] }))).toBe("PATH_NOT_FOUND");
    expect(await codeOf(() => run({ action: "pull" }))).toBe("USAGE");
    expect(await codeOf(() => run({ action: "pull", names: ["a"], all: true }))).toBe("USAGE");
  });
});

test("catalog() leaves a NAME.json of somebody else alone, and then downloads nothing", async () => {
  await withCatalog({ [URL]: "weights" }, async ({ place, asked, run }) => {
    await setup(place, {}, QUIET);
    await run({ action: "add", names: ["best.pt"], url: URL });
    writeFileSync(join(place.models, "downloads", "best.pt.json"), "{}");
    expect(await codeOf(() => run({ action: "pull", all: true }))).toBe("WOULD_OVERWRITE");
    expect(asked).toEqual([]);
  });
});

test("setup() with defaults downloads these into trained/, once", async () => {
  await withCatalog({ [URL]: "weights" }, async ({ place, asked, run }) => {
    await run({ action: "add", names: ["best.pt"], url: URL, default: true });
    await run({ action: "add", names: ["other.pt"], url: `${URL}2` });
    const path = join(place.models, "trained", "best.pt");
    const first = await setup(place, { withDefaults: true }, QUIET);
    expect(first.pulled).toMatchObject([{ name: "best.pt", file: { path, downloaded: true } }]);
    expect(readFileSync(path, "utf8")).toBe("weights");
    expect((await setup(place, { withDefaults: true }, QUIET)).pulled).toMatchObject([
      { file: { downloaded: false } },
    ]);
    expect((await setup(place, {}, QUIET)).pulled).toEqual([]);
    expect(asked).toHaveLength(1);
  });
});
