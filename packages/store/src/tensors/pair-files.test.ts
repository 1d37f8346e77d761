import { expect, test } from "vitest";
import { hashBytes } from "../objects/digest.ts";
import type { FileChange, FileVersion } from "../trees/tree-diff.ts";
import { pairFiles } from "./pair-files.ts";

function version(text: string): FileVersion {
  return { digest: hashBytes(Buffer.from(text)), sizeBytes: text.length, mode: "100644" };
}

function pairs(files: { added?: string[]; modified?: string[]; deleted?: string[] }): string[] {
  const change =
    (side: "from" | "to") =>
    (path: string): FileChange => {
      const [name = "", bytes = `${side} ${path}`] = path.split("=");
      return { path: name, [side]: version(bytes) };
    };
  const { added = [], modified = [], deleted = [] } = files;
  const found = pairFiles({
    added: added.map(change("to")),
    deleted: deleted.map(change("from")),
    modified: modified.map((path) => ({ path, from: version("1"), to: version("2") })),
  });
  return found.map(({ from, to }) => `${from?.path ?? "-"} > ${to?.path ?? "-"}`);
}

test("pairFiles() keeps files of one path together", () => {
  expect(pairs({ modified: ["b.pt", "a.pt"], added: ["c.bin"], deleted: ["d.onnx"] })).toEqual([
    "a.pt > a.pt",
    "b.pt > b.pt",
    "- > c.bin",
    "d.onnx > -",
  ]);
});

test("pairFiles() sees a file that was renamed, by its bytes, its name, or as the only one of its kind", () => {
  expect(pairs({ deleted: ["x/a.pt=same", "y/b.pt"], added: ["b.pt=same", "other/b.pt"] })).toEqual([
    "x/a.pt > b.pt",
    "y/b.pt > other/b.pt",
  ]);
  expect(pairs({ deleted: ["v1.safetensors", "a.json"], added: ["v2.safetensors", "b.txt"] })).toEqual([
    "a.json > -",
    "- > b.txt",
    "v1.safetensors > v2.safetensors",
  ]);
});

test("pairFiles() leaves alone what could be one or the other", () => {
  expect(pairs({ deleted: ["a.pt", "b.pt"], added: ["c.pt"] })).toEqual(["a.pt > -", "b.pt > -", "- > c.pt"]);
  expect(pairs({ deleted: ["x/w.pt", "y/w.pt"], added: ["z/w.pt", "z/v.pt"] })).toEqual([
    "x/w.pt > -",
    "y/w.pt > -",
    "- > z/v.pt",
    "- > z/w.pt",
  ]);
  expect(pairs({ deleted: ["LICENSE"], added: ["Makefile"] })).toEqual(["LICENSE > -", "- > Makefile"]);
});
