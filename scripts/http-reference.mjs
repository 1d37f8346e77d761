#!/usr/bin/env node
/**
 * Writes the list of verbs in docs/reference/http.md: `node scripts/http-reference.mjs` after a build.
 * Summaries come from the daemon's table, types from the sources of the store.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

const ROOT = join(dirname(fileURLToPath(import.meta.url)), "..");
const VERBS = join(ROOT, "packages/store/src/verbs");
const START = "<!-- The rest of this page is written by scripts/http-reference.mjs. -->";
/** Types that are told in words at the top of the list. */
const WELL_KNOWN = new Set(["Digest", "RefName", "Remote"]);
const COMMENT = String.raw`(?:\/\*\*(?:(?!\*\/)[\s\S])*\*\/\n)?`;
const TYPE = new RegExp(
  String.raw`^${COMMENT}export (?:interface|type) (\w+)(?:(?<=interface \w+)[\s\S]*?^\}|[\s\S]*?;(?=\n\S|\n\n|\n?(?![\s\S])))$`,
  "gm",
);
const NEEDS = {
  store: "Works on the store.",
  repository: "Needs a repository: a worktree around `at.folder`, or `at.repository`.",
  worktree: "Needs a worktree around `at.folder`.",
};

export const PAGE = join(ROOT, "docs/reference/http.md");

/** Exported interfaces and types of a source file, and where its imported names come from. */
function readTypes(path) {
  const text = readFileSync(path, "utf8");
  const types = new Map();
  for (const [block, name] of text.matchAll(TYPE)) types.set(name, block);
  const imports = new Map();
  for (const [, names, from] of text.matchAll(/^import (?:type )?\{([^}]*)\} from "(\.[^"]+)";$/gm)) {
    for (const name of names.split(","))
      imports.set(name.replace(/\btype\b/, "").trim(), resolve(dirname(path), from));
  }
  return { types, imports };
}

/** The types a block needs from other files, found through the imports of its own. */
function collectShared(path, block, shared, own) {
  const { types, imports } = readTypes(path);
  for (const [name] of block.replace(/\/\*\*[\s\S]*?\*\//g, "").matchAll(/\b[A-Z]\w+\b/g)) {
    if (WELL_KNOWN.has(name) || shared.has(name) || own.has(name)) continue;
    const home = types.has(name) ? path : imports.get(name);
    const found = home === undefined ? undefined : readTypes(home).types.get(name);
    if (found === undefined) continue;
    shared.set(name, found);
    collectShared(home, found, shared, own);
  }
}

function fence(blocks) {
  return ["```ts", blocks.map((block) => block.replaceAll(/^export /gm, "")).join("\n\n"), "```"].join("\n");
}

/** The generated part of the page. `api` is the table of packages/daemon/src/api.ts. */
export function renderVerbs(api) {
  const shared = new Map();
  const sections = [];
  for (const [verb, { summary, needs, progress }] of Object.entries(api)) {
    const path = join(VERBS, `${verb}.ts`);
    const { types } = readTypes(path);
    for (const block of types.values()) collectShared(path, block, shared, types);
    const told = progress ? " Tells progress." : "";
    sections.push(`### \`${verb}\`\n\n${summary}. ${NEEDS[needs]}${told}\n\n${fence([...types.values()])}`);
  }
  const types = [...shared].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, block]) => block);
  return `${sections.join("\n\n")}\n\n## Types that several verbs use\n\n${fence(types)}\n`;
}

/** The page with its generated part made anew. */
export function renderPage(page, api) {
  const at = page.indexOf(START);
  if (at < 0) throw new Error(`${PAGE} has lost the line ${START}`);
  return `${page.slice(0, at)}${START}\n\n${renderVerbs(api)}`;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  const { api } = await import("../packages/daemon/dist/api.js");
  writeFileSync(PAGE, renderPage(readFileSync(PAGE, "utf8"), api));
}
