import { expect, test } from "vitest";
import { type FoundFile, groupFiles, readStem } from "./folder-versions.ts";

const at = (path: string, day = 1): FoundFile => ({
  path,
  sizeBytes: 1,
  mtimeMs: Date.UTC(2024, 0, day),
  isExecutable: false,
});

/** `name version -> targets`, in order. */
function told(files: readonly FoundFile[]): string[] {
  return groupFiles(files).versions.map(
    ({ name, version, files: own }) => `${name} ${version} -> ${own.map(({ target }) => target).join(" ")}`,
  );
}

test.each([
  ["yolo11s_v1_20231201", "yolo11s", "v1", "2023-12-01T00:00:00.000Z"],
  ["sam2_b_v2.0.1_2023-12-01", "sam2_b", "v2.0.1", "2023-12-01T00:00:00.000Z"],
  ["best_backup_20231201_120000", "best_backup", undefined, "2023-12-01T12:00:00.000Z"],
  ["convnext_v1.0.0", "convnext", "v1.0.0", undefined],
  ["v1.2.0-rc.1", "model", "v1.2.0-rc.1", undefined],
  ["resnet50", "resnet50", undefined, undefined],
  ["model-20231399", "model-20231399", undefined, undefined],
])("readStem('%s')", (stem, type, version, date) => {
  const read = readStem(stem);
  expect([read.type, read.version]).toEqual([type, version]);
  expect(read.dateMs === undefined ? undefined : new Date(read.dateMs).toISOString()).toBe(date);
});

test("files of one type are versions of one file, by their dates", () => {
  expect(told([at("yolo_v2_20240301.pt"), at("yolo_v1_20240101.pt"), at("notes.txt")])).toEqual([
    "yolo_v1_20240101.pt v1 -> yolo.pt",
    "yolo_v2_20240301.pt v2 -> yolo.pt",
  ]);
  expect(groupFiles([at("a.pt"), at("notes.txt")]).rest).toEqual(["notes.txt"]);
});

test("of several types a version has the name of its type; without a date in the name the file's counts", () => {
  const files = [at("yolo_v1.pt", 9), at("sam_v1.pt", 3), at("best.pt", 5), at("sam_v1.pt.json")];
  expect(told(files)).toEqual([
    "sam_v1.pt sam_v1 -> sam.pt",
    "best.pt undefined -> best.pt",
    "yolo_v1.pt yolo_v1 -> yolo.pt",
  ]);
  expect(groupFiles(files).versions[0]?.metadata).toBe("sam_v1.pt.json");
});

test("folders of versions, of roles and of the archive are versions with all below them", () => {
  expect(told([at("v1.10.0/w/m.bin"), at("v1.9.0/m.bin"), at("v1.9.0/conf.json")])).toEqual([
    "v1.9.0 v1.9.0 -> m.bin conf.json",
    "v1.10.0 v1.10.0 -> w/m.bin",
  ]);
  const { versions } = groupFiles([
    at("models/champion/m.bin", 3),
    at("models/champion/metadata.json", 3),
    at("models/archive/convnext_v1.0.0/m.bin", 2),
    at("models/archive/first/m.bin", 1),
  ]);
  expect(versions.map(({ name, role, metadata }) => [name, role, metadata])).toEqual([
    ["models/archive/first", "archive", undefined],
    ["models/archive/convnext_v1.0.0", "archive", undefined],
    ["models/champion", "champion", "models/champion/metadata.json"],
  ]);
});
