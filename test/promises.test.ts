/** The pages of promises: each leads to a test that is there. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { ROOT } from "./source.ts";

const FOLDER = join("docs", "design");
const PAGES = ["durability.md", "security.md"];

/** A link to a test: `[test](path "its name, or a part of it")`. */
const LINK = /\]\(([^)\s]+\.test\.ts)\s+"([^"]+)"\)/g;

/** The numbered promises of a page. */
function promises(text: string): string[] {
  const section = /## Promises\n([\s\S]*?)\n## /.exec(text)?.[1] ?? "";
  return section.split(/\n(?=\d+\. )/).filter((part) => part.trim() !== "");
}

test.for(PAGES)("every promise of %s leads to a test that is there", (name) => {
  const text = readFileSync(join(ROOT, FOLDER, name), "utf8");
  const all = promises(text);
  expect(all.length).toBeGreaterThan(5);
  for (const promise of all) {
    const links = [...promise.matchAll(LINK)];
    expect(links.length, promise).toBeGreaterThan(0);
    for (const [, path = "", title = ""] of links) {
      const file = join(ROOT, FOLDER, path);
      expect(existsSync(file), path).toBe(true);
      expect(readFileSync(file, "utf8").includes(title), `${path}: ${title}`).toBe(true);
    }
  }
});

test.for(PAGES)("every link to a test in %s leads to one that is there", (name) => {
  const links = [...readFileSync(join(ROOT, FOLDER, name), "utf8").matchAll(LINK)];
  expect(links.length).toBeGreaterThan(5);
  for (const [, path = "", title = ""] of links) {
    const file = join(ROOT, FOLDER, path);
    expect(existsSync(file) && readFileSync(file, "utf8").includes(title), `${path}: ${title}`).toBe(true);
  }
});
