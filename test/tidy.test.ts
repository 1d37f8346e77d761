/** Rules about the repository that a linter cannot hold, or holds only where nobody switches it off. */
import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { ERRORS } from "@smc/store/errors";
import { expect, test } from "vitest";
import { COMMANDS } from "../packages/cli/src/commands/index.ts";
import { isTest, productSources, ROOT, sources, withoutComments } from "./source.ts";

const FILE_LINES_MAX = 400;
const COMMENT_COLUMNS_MAX = 120;
const everything = sources(["packages", "test", "bench", "scripts", "examples"], [".ts", ".mjs"]);
const product = productSources();

/** Verbs that end in the command line: they ask no store. */
const CLI_ONLY = new Set(["help", "version", "completion", "daemon"]);

test("no source file has more than 400 lines", () => {
  const long = everything
    .map(({ path, text }) => ({ path, lines: text.split("\n").length - 1 }))
    .filter(({ lines }) => lines > FILE_LINES_MAX);
  expect(long).toEqual([]);
});

test("no line of a comment has more than 120 columns", () => {
  const written = everything.filter(({ path }) => !path.endsWith(".generated.ts"));
  const long = written.flatMap(({ path, text }) =>
    text.split("\n").flatMap((line, index) => {
      const isComment = /^\s*(\/\*\*|\*|\/\/) /.test(line);
      return isComment && line.length > COMMENT_COLUMNS_MAX ? [`${path}:${index + 1}`] : [];
    }),
  );
  expect(long).toEqual([]);
});

test("no function has more than 70 lines", { timeout: 240_000 }, () => {
  const oxlint = join(ROOT, "node_modules", "oxlint", "bin", "oxlint");
  const config = join(ROOT, ".oxlintrc.json");
  expect(readFileSync(config, "utf8")).toContain('"max-lines-per-function": ["error", { "max": 70 }]');
  const { stdout } = spawnSync(process.execPath, [oxlint, "-c", config, "--format", "json"], {
    cwd: ROOT,
    encoding: "utf8",
    maxBuffer: 64 * 1024 * 1024,
  });
  const report = JSON.parse(stdout) as { diagnostics: { code: string; filename: string; message: string }[] };
  const long = report.diagnostics.filter(({ code }) => code === "eslint(max-lines-per-function)");
  expect(long.map(({ filename, message }) => `${filename}: ${message}`)).toEqual([]);
});

test("no file switches the size rules off", () => {
  const off = everything.filter(
    ({ text }) => /oxlint-disable.*max-lines/.test(text) && !text.includes("FILE_LINES_MAX"),
  );
  expect(off.map(({ path }) => path)).toEqual([]);
});

/** What node:fs may be used for outside fs.ts. `open` is for reading: see the test of its flags. */
const READING =
  /^(open|openSync|openAsBlob|read|readSync|readFile|readFileSync|readdir|readdirSync|readlink|readlinkSync|stat|statSync|statfs|statfsSync|lstat|lstatSync|fstat|fstatSync|access|accessSync|existsSync|realpath|realpathSync|opendir|opendirSync|close|closeSync|createReadStream|constants|promises|native|watch)$/;
/** File → writing functions it may use, and why. */
const WRITING_ALLOWED: Readonly<Record<string, { names: readonly string[]; why: string }>> = {
  "packages/store/src/fs.ts": { names: ["*"], why: "the one module that writes" },
};

function fsNames(text: string): string[] {
  const names: string[] = [];
  for (const match of text.matchAll(/import\s+(type\s+)?([^;]*?)\s+from\s+"node:fs(?:\/promises)?"/g)) {
    if (match[1] !== undefined) continue;
    const clause = match[2] ?? "";
    const whole = /^(?:\*\s+as\s+)?(\w+)/.exec(clause)?.[1];
    for (const part of /\{([^}]*)\}/.exec(clause)?.[1]?.split(",") ?? []) {
      const word = part.trim();
      if (word !== "" && !word.startsWith("type ")) names.push(word.split(" as ")[0] ?? word);
    }
    if (whole === undefined) continue;
    const uses = text.matchAll(new RegExp(`\\b${whole}\\.(?:promises\\.)?(\\w+)`, "g"));
    for (const use of uses) names.push(use[1] ?? "");
  }
  return names.filter((name) => !/^[A-Z]/.test(name));
}

test("only fs.ts uses functions of node:fs that write", () => {
  const wrong = product.flatMap(({ path, text }) => {
    const allowed = WRITING_ALLOWED[path]?.names ?? [];
    if (allowed.includes("*")) return [];
    return fsNames(withoutComments(text))
      .filter((name) => !READING.test(name) && !allowed.includes(name))
      .map((name) => `${path}: ${name}`);
  });
  expect(wrong).toEqual([]);
});

test("only fs.ts opens files for writing", () => {
  const flags = /\bO_(WRONLY|RDWR|CREAT|TRUNC|APPEND)\b|\bopen(Sync)?\([^;]*?,\s*"(w|a|r\+|wx|ax)/;
  const wrong = product
    .filter(({ path }) => WRITING_ALLOWED[path] === undefined)
    .filter(({ text }) => flags.test(withoutComments(text)));
  expect(wrong.map(({ path }) => path)).toEqual([]);
});

test("exceptions to the writing rule are still needed", () => {
  const stale = Object.entries(WRITING_ALLOWED).filter(([path, { names }]) => {
    const file = product.find((source) => source.path === path);
    const used = file === undefined ? [] : fsNames(withoutComments(file.text));
    return names.some((name) => name !== "*" && !used.includes(name));
  });
  expect(stale).toEqual([]);
});

test("only the command line's output.ts prints", () => {
  const wrong = product
    .filter(({ path }) => path !== "packages/cli/src/output.ts")
    .filter(({ text }) => /\bconsole\.|process\.std(out|err)\.write\b/.test(withoutComments(text)));
  expect(wrong.map(({ path }) => path)).toEqual([]);
});

test("nothing but configuration has a default export", () => {
  const wrong = everything.filter(
    ({ path, text }) =>
      !path.endsWith(".config.ts") && /^export default|\bas default\b/m.test(withoutComments(text)),
  );
  expect(wrong.map(({ path }) => path)).toEqual([]);
});

test("no name says utils, helpers, common, manager, service or base", () => {
  const word = /(^|[^a-z])(utils?|helpers?|common|managers?|services?|base)([^a-z]|$)/i;
  const parts = (name: string): string => name.replace(/([a-z0-9])([A-Z])/g, "$1 $2");
  const files = everything.filter(({ path }) =>
    word.test(parts(basename(path).replace(/\.(test\.)?(ts|mjs)$/, ""))),
  );
  const exported = product.flatMap(({ path, text }) =>
    [...text.matchAll(/^export (?:async )?(?:function|class|const|interface|type) (\w+)/gm)]
      .filter((match) => word.test(parts(match[1] ?? "")))
      .map((match) => `${path}: ${match[1] ?? ""}`),
  );
  expect([...files.map(({ path }) => path), ...exported]).toEqual([]);
});

test("no test is left out or alone", () => {
  const call = new RegExp(`\\b(test|describe|it|suite)\\.(${["only", "skip", "todo"].join("|")})\\b`);
  const wrong = everything.filter(({ path, text }) => isTest(path) && call.test(withoutComments(text)));
  expect(wrong.map(({ path }) => path)).toEqual([]);
});

test("every error code is thrown somewhere", () => {
  const code = product.map(({ text }) => withoutComments(text)).join("\n");
  expect(Object.keys(ERRORS).filter((name) => !code.includes(`"${name}"`))).toEqual([]);
});

test("the pages of docs/decisions are numbered without gaps and have a title", () => {
  const folder = join(ROOT, "docs", "decisions");
  const names = readdirSync(folder).sort();
  expect(names.map((name) => name.slice(0, 5))).toEqual(
    names.map((_, index) => `${String(index + 1).padStart(4, "0")}-`),
  );
  for (const name of names) {
    expect(name).toMatch(/^\d{4}-[a-z0-9-]+\.md$/);
    const text = readFileSync(join(folder, name), "utf8");
    expect(text).toMatch(new RegExp(`^# ${name.slice(0, 4)}: .+\n`));
    for (const heading of ["## Context", "## Choice", "## Price"]) expect(text, name).toContain(heading);
  }
});

const verbs = Object.keys(COMMANDS);
const files = new Set(everything.map(({ path }) => path));

test("every command of the list has its file, and every file is in the list", () => {
  const modules = [...files]
    .filter((path) => /^packages\/cli\/src\/commands\/[a-z-]+\.ts$/.test(path))
    .map((path) => basename(path, ".ts"))
    .filter((name) => name !== "index");
  expect(modules.sort()).toEqual([...verbs].sort());
});

test.for(verbs)("verb '%s' has an end-to-end test and a heading in the reference", (verb) => {
  expect(files).toContain(`test/e2e/${verb}.test.ts`);
  const reference = readFileSync(join(ROOT, "docs", "reference", "cli.md"), "utf8");
  expect(reference.split("\n")).toContain(`## ${verb}`);
});

const DAEMON = join(ROOT, "packages", "daemon", "src");
/** The table of requests and the files that are spread into it. */
const API_PARTS = readdirSync(DAEMON).filter((name) => /^api(-(?!schema)[a-z]+)?\.ts$/.test(name));

test.for(verbs.filter((verb) => !CLI_ONLY.has(verb)))("verb '%s' goes its three hops", (verb) => {
  const row = new RegExp(`^\\s+"?${verb}"?:`, "m");
  expect(files).toContain(`packages/store/src/verbs/${verb}.ts`);
  expect(files).toContain(`packages/store/src/verbs/${verb}.test.ts`);
  for (const [table, parts] of [
    ["api.ts", API_PARTS],
    ["handlers.ts", ["handlers.ts"]],
  ] as const) {
    const texts = parts.map((part) => readFileSync(join(DAEMON, part), "utf8"));
    expect(
      texts.some((text) => row.test(text)),
      `a row in ${table}`,
    ).toBe(true);
  }
});

test("every verb of the store has a command", () => {
  const ends = [...files]
    .filter((path) => /^packages\/store\/src\/verbs\/[a-z-]+\.ts$/.test(path))
    .map((path) => basename(path, ".ts"));
  expect(ends.filter((verb) => !verbs.includes(verb))).toEqual([]);
});
