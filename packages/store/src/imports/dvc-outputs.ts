/**
 * What DVC keeps outside of git: `outs` of `.dvc` files and `dvc.lock`, and manifests of folders.
 * https://dvc.org/doc/user-guide/project-structure/dvc-files, …/dvcyaml-files, …/internal-files. Pure.
 */
import { posix } from "node:path";
import { SmcError } from "../errors.ts";
import { show } from "../show.ts";
import { readYaml } from "../training-files/nested-values.ts";

const OUTS_MAX = 100_000;
const MANIFEST_ROWS_MAX = 1_000_000;
const MD5 = /^[0-9a-f]{32}(?:\.dir)?$/;

export interface DvcOutput {
  /** From the root of the repository. */
  readonly path: string;
  readonly md5: string;
  readonly isFolder: boolean;
  readonly sizeBytes: number | undefined;
  readonly isExecutable: boolean;
  /** Written by DVC before 3.0: another folder of the cache, and text counts with line feeds only. */
  readonly isLegacy: boolean;
}

export interface DvcOutputs {
  readonly outputs: readonly DvcOutput[];
  /** `PATH: why` of what lies outside of the repository, or has no MD5. */
  readonly leftOut: readonly { readonly what: string; readonly why: string }[];
}

type Fields = Readonly<Record<string, unknown>>;

function isFields(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Of a `.dvc` file at a path of the repository. Throws FILE_MALFORMED. */
export function parseDvcFile(path: string, text: string): DvcOutputs {
  const document = parse(path, text);
  const wdir = typeof document.wdir === "string" ? document.wdir : ".";
  return collect([{ folder: posix.join(posix.dirname(path), wdir), outs: document.outs, of: path }]);
}

/** Of a `dvc.lock`; stages may work in other folders, as `dvc.yaml` says. Throws FILE_MALFORMED. */
export function parseDvcLock(path: string, text: string, pipeline: string | undefined): DvcOutputs {
  const document = parse(path, text);
  const stages = isFields(document.stages) ? document.stages : document;
  const planned = pipeline === undefined ? {} : parse(path.replace(/lock$/, "yaml"), pipeline).stages;
  const rows = Object.entries(stages).flatMap(([name, stage]) => {
    if (!isFields(stage)) return [];
    const plan = isFields(planned) ? (planned[name] ?? planned[name.replace(/@.*$/s, "")]) : undefined;
    const own = isFields(plan) && typeof plan.wdir === "string" ? plan.wdir : ".";
    const folder = posix.join(posix.dirname(path), own.includes("${") ? "." : own);
    return [{ folder, outs: stage.outs, of: `${path}: ${name}` }];
  });
  return collect(rows);
}

function parse(path: string, text: string): Fields {
  const refuse = (why: string, line?: number): never => {
    const where = line === undefined ? "" : `, line ${line}`;
    throw new SmcError("FILE_MALFORMED", `'${show(path, 300)}'${where}: ${why}; nothing was imported`);
  };
  const document = readYaml(text, refuse) ?? {};
  return isFields(document) ? document : refuse("the outermost value is not a map of names to values");
}

function collect(rows: readonly { folder: string; outs: unknown; of: string }[]): DvcOutputs {
  const outputs: DvcOutput[] = [];
  const leftOut: { what: string; why: string }[] = [];
  for (const { folder, outs, of } of rows) {
    for (const out of Array.isArray(outs) ? (outs as readonly unknown[]) : []) {
      if (outputs.length > OUTS_MAX)
        throw new SmcError("LIMIT_EXCEEDED", `'${show(of, 300)}' names more than ${OUTS_MAX} files`);
      if (!isFields(out) || typeof out.path !== "string") continue;
      const path = posix.normalize(posix.join(folder, out.path));
      const isOutside =
        posix.isAbsolute(out.path) || /^[a-z0-9+]+:\/\//i.test(out.path) || /^\.\.(?:\/|$)/.test(path);
      const md5 = typeof out.md5 === "string" ? out.md5.toLowerCase() : "";
      if (isOutside) leftOut.push({ what: `${of}: ${out.path}`, why: "it is not in the repository" });
      else if (!MD5.test(md5)) leftOut.push({ what: `${of}: ${out.path}`, why: "DVC names no MD5 of it" });
      else
        outputs.push({
          path: path.replace(/\/$/, ""),
          md5,
          isFolder: md5.endsWith(".dir"),
          sizeBytes: typeof out.size === "number" ? out.size : undefined,
          isExecutable: out.isexec === true,
          isLegacy: out.hash !== "md5",
        });
    }
  }
  return { outputs, leftOut };
}

/** Where the cache may have the bytes of an MD5, the likeliest first. */
export function cachePaths({ md5, isLegacy }: Pick<DvcOutput, "md5" | "isLegacy">): readonly string[] {
  const old = `${md5.slice(0, 2)}/${md5.slice(2)}`;
  const now = `files/md5/${old}`;
  return isLegacy ? [old, now] : [now, old];
}

/** Rows of a `.dir` file. Throws FILE_MALFORMED. */
export function parseManifest(path: string, text: string): { path: string; md5: string }[] {
  const refuse = (why: string): never => {
    throw new SmcError("FILE_MALFORMED", `'${show(path, 300)}': ${why}; nothing was imported`);
  };
  let rows: unknown;
  try {
    rows = JSON.parse(text);
  } catch (error) {
    return refuse(`not JSON: ${error instanceof Error ? show(error.message, 200) : "broken"}`);
  }
  if (!Array.isArray(rows)) return refuse("it is no list");
  if (rows.length > MANIFEST_ROWS_MAX) refuse(`more than ${MANIFEST_ROWS_MAX} files`);
  return rows.map((row: unknown) => {
    if (
      !isFields(row) ||
      typeof row.relpath !== "string" ||
      typeof row.md5 !== "string" ||
      !MD5.test(row.md5)
    )
      return refuse("a row without relpath and md5");
    return { path: row.relpath, md5: row.md5 };
  });
}

/** `cache.dir` of `.dvc/config`, an INI file; the last one wins. */
export function parseCacheFolder(text: string): string | undefined {
  let section = "";
  let found: string | undefined;
  for (const line of text.split("\n")) {
    const head = /^\s*\[(.*)\]\s*$/.exec(line)?.[1];
    if (head !== undefined) section = head.replace(/['"]/g, "").trim();
    const value = /^\s*dir\s*=\s*(.+?)\s*$/.exec(line)?.[1];
    if (section === "cache" && value !== undefined) found = value.replace(/^(['"])(.*)\1$/, "$2");
  }
  return found;
}
