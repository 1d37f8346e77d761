/** Reads the sources of this checkout for the tests about the repository itself. */
import { readdirSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";

export const ROOT = join(import.meta.dirname, "..");
const LEFT_OUT = new Set(["node_modules", "dist", "results", ".git"]);

export interface SourceFile {
  /** Relative to the root, `/`-separated. */
  readonly path: string;
  readonly text: string;
}

/** Files below some folders of the checkout whose name ends so; built and installed files are left out. */
export function sources(folders: readonly string[], endings: readonly string[]): SourceFile[] {
  return folders
    .flatMap((folder) => [...walk(join(ROOT, folder))])
    .filter((path) => endings.some((ending) => path.endsWith(ending)))
    .map((path) => ({ path: relative(ROOT, path).replaceAll("\\", "/"), text: readFileSync(path, "utf8") }))
    .sort((a, b) => (a.path < b.path ? -1 : 1));
}

function* walk(folder: string): Generator<string> {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isFile()) yield path;
    else if (entry.isDirectory() && !LEFT_OUT.has(entry.name)) yield* walk(path);
  }
}

/** Code without its comments, so that a word in prose is no use of it. Strings stay. */
export function withoutComments(text: string): string {
  return text.replace(/\/\*[\s\S]*?\*\//g, "").replace(/(^|\s)\/\/.*$/gm, "");
}

export function isTest(path: string): boolean {
  return path.endsWith(".test.ts") || path.includes("/testing/");
}

/** The sources of the product: the packages without their tests. */
export function productSources(): SourceFile[] {
  return sources(["packages"], [".ts"]).filter(({ path }) => path.includes("/src/") && !isTest(path));
}
