import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { createHash } from "node:crypto";
import { expect, test } from "vitest";
import { SmcError } from "../errors.ts";
import { placeOf } from "../testing/files-place.ts";
import { codeOf } from "../testing/remote-scene.ts";
import { QUIET } from "../testing/testing.ts";
import { type Bench, withWorktree } from "../testing/worktree.ts";
import { exportModel, type ExportOptions, type ExportPlace, type ExportResult } from "./export.ts";

const MODEL = { "architecture.json": "{}", "model.safetensors": "weights", "params.json": "{}" };
const PATHS = { onnx: ["model.onnx"], tfjs: ["tfjs/group1-shard1of1.bin", "tfjs/model.json"] } as const;

interface Scene {
  readonly bench: Bench;
  readonly run: (options?: ExportOptions) => Promise<ExportResult>;
  /** Settings and formats that the trainer was asked for. */
  readonly asked: unknown[];
}

/** The trainer is another package: here its files are given. */
async function withModel(action: (scene: Scene) => Promise<void>, isBroken = false): Promise<void> {
  await withWorktree(async (bench) => {
    const asked: unknown[] = [];
    const ask: ExportPlace["exportModel"] = async (settings, { model, output, formats }) => {
      asked.push({ settings, formats });
      if (isBroken) throw new SmcError("EXPORT_DIFFERS", "it differs");
      const text = `as ${readFileSync(join(model, "model.safetensors"), "utf8")}`;
      const sha256 = createHash("sha256").update(text).digest("hex");
      for (const path of formats.flatMap((format) => PATHS[format])) {
        mkdirSync(dirname(join(output, path)), { recursive: true });
        writeFileSync(join(output, path), text);
      }
      const files = (format: "onnx" | "tfjs") =>
        PATHS[format].map((path) => ({ path, sizeBytes: text.length, sha256 }));
      return {
        formats: formats.map((format) => ({ format, files: files(format), difference: 0 })),
        samples: 4,
        areReal: true,
      };
    };
    const place = { ...placeOf(bench), exportModel: ask };
    await bench.commit(MODEL);
    await action({ bench, asked, run: (options = {}) => exportModel(place, options, QUIET) });
    expect(readdirSync(join(bench.store.path, "incoming"))).toEqual([]);
  });
}

test("exportModel() puts the files into a folder, and replaces none without force", async () => {
  await withModel(async ({ bench, run, asked }) => {
    expect(await run({ output: "out/deep", formats: ["tfjs"] })).toMatchObject({
      output: join(bench.root, "out", "deep"),
      samples: 4,
    });
    expect(readdirSync(join(bench.root, "out", "deep", "tfjs")).sort()).toEqual([
      "group1-shard1of1.bin",
      "model.json",
    ]);
    await bench.write({ "model.onnx": "mine" });
    expect(await codeOf(() => run())).toBe("WOULD_OVERWRITE");
    expect(existsSync(join(bench.root, "tfjs"))).toBe(false);
    expect(asked).toHaveLength(1);
    await run({ force: true, data: "digits" });
    expect(await bench.read("model.onnx")).toBe("as weights");
    expect(asked.at(-1)).toEqual({ settings: { "data.kind": "digits" }, formats: ["onnx", "tfjs"] });
    expect(await codeOf(() => run({ output: "x", data: "none" }))).toBe("PATH_NOT_FOUND");
    expect(await codeOf(() => run({ output: "x", formats: [] }))).toBe("USAGE");
    expect(await codeOf(() => run({ output: "x", revision: "v9" }))).toBe("REVISION_NOT_FOUND");
    expect(existsSync(join(bench.root, "x"))).toBe(false);
  });
});

test("exportModel() leaves nothing of a model that differs from the trained one", async () => {
  await withModel(async ({ bench, run }) => {
    expect(await codeOf(() => run({ output: "out" }))).toBe("EXPORT_DIFFERS");
    expect(existsSync(join(bench.root, "out"))).toBe(false);
  }, true);
});

test("exportModel() takes its new files away again when a later one cannot be written", async () => {
  await withModel(async ({ bench, run }) => {
    await bench.write({ "out/tfjs": "a file where a folder must go" });
    expect(await codeOf(() => run({ output: "out" }))).toBe("PATH_NOT_FOUND");
    expect(readdirSync(join(bench.root, "out"))).toEqual(["tfjs"]);
  });
});
