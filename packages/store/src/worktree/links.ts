/** Symbolic links at checkout: made only where asked for, and only when they cannot lead out of the worktree. */
import { join, posix } from "node:path";
import type { Call } from "../call.ts";
import { readConfig } from "../config.ts";
import { LINK_TARGET_BYTES_MAX } from "../objects/objects.ts";
import type { Repository } from "../repository.ts";
import type { ObjectStore } from "../store.ts";
import { foldersAbove } from "./locate.ts";
import type { Plan } from "./plan.ts";
import type { StageEntry } from "./stage.ts";
import { kindOf, lstatMany } from "./stat.ts";
import type { OutPlan } from "./write-out.ts";

export type LinkPolicy = "never" | "safe";

export interface SkippedLink {
  readonly path: string;
  readonly reason: string;
}

/** What the option says, else `checkout.symlinks`. */
export async function linkPolicy(
  repository: Repository,
  option: LinkPolicy | undefined,
): Promise<LinkPolicy> {
  if (option !== undefined) return option;
  const { store, worktree } = repository;
  const config = await readConfig({ storePath: store.path, worktreeRoot: worktree?.root });
  return config.entries.get("checkout.symlinks")?.value === "safe" ? "safe" : "never";
}

/**
 * Splits the links of a plan into those to make and those to leave out. One that is left out is taken off the disk
 * when something old is in its place, and is marked in the stage so that its absence is no change.
 */
export async function settleLinks(
  plan: Plan,
  options: { root: string; objects: Pick<ObjectStore, "readBlob">; policy: LinkPolicy },
  call: Call,
): Promise<{ out: OutPlan; skipped: SkippedLink[] }> {
  const removals = [...plan.removals];
  const links: OutPlan["links"][number][] = [];
  const skipped: SkippedLink[] = [];
  for (const link of plan.links) {
    const target = await readTarget(options.objects, link.entry, call);
    const why =
      options.policy === "never"
        ? "symbolic links are not made"
        : await linkFault(options.root, plan, { ...link, target });
    if (why === undefined && target !== undefined) {
      links.push({ ...link, target });
      continue;
    }
    skipped.push({ path: link.path, reason: why ?? "its target is not one" });
    const { mode, digest, sizeBytes } = link.entry;
    plan.next.set(link.path, { mode, digest, sizeBytes, isSkipped: true });
    if (link.expected !== undefined)
      removals.push({ path: link.path, disk: link.disk, expected: link.expected });
  }
  return { out: { removals, writings: plan.writings, links }, skipped };
}

async function readTarget(
  objects: Pick<ObjectStore, "readBlob">,
  entry: StageEntry,
  call: Call,
): Promise<Buffer | undefined> {
  if (entry.sizeBytes === 0 || entry.sizeBytes > LINK_TARGET_BYTES_MAX) return undefined;
  const parts: Uint8Array[] = [];
  let bytes = 0;
  for await (const part of objects.readBlob(entry.digest, call)) {
    bytes += part.length;
    if (bytes > LINK_TARGET_BYTES_MAX) return undefined;
    parts.push(part);
  }
  return Buffer.concat(parts);
}

/** Why a link may not be made, or undefined. */
async function linkFault(
  root: string,
  plan: Plan,
  { path, target }: { path: string; target: Buffer | undefined },
): Promise<string | undefined> {
  if (target === undefined) return "its target has no bytes or more than 4096";
  const text = target.toString("utf8");
  if (text.includes("\0")) return "its target has a NUL character";
  if (text.includes("\ufffd")) return "its target is not valid UTF-8";
  if (text.startsWith("/") || text.includes("\\")) return "its target is absolute";
  const resolved = posix.join(posix.dirname(path), text);
  if (resolved === ".." || resolved.startsWith("../")) return "it leads out of the worktree";
  // Every part, before it is simplified: `a/../b` goes through `a`.
  const passed = new Set<string>();
  let at = posix.dirname(path) === "." ? "" : posix.dirname(path);
  for (const part of text.split("/")) {
    at = posix.normalize(posix.join(at === "" ? "." : at, part));
    if (at === ".." || at.startsWith("../")) return "it leads out of the worktree";
    if (at === ".") at = "";
    else passed.add(at.replace(/\/$/, ""));
  }
  return passesLink(root, plan, [...passed]);
}

async function passesLink(root: string, plan: Plan, parts: readonly string[]): Promise<string | undefined> {
  const all = [...new Set(parts.flatMap((part) => [part, ...foldersAbove(part)]))];
  if (all.some((part) => /^\.(smc|git)$/i.test(part.split("/")[0] ?? "")))
    return "it leads into '.smc' or '.git'";
  if (all.some((part) => plan.next.get(part)?.mode === "120000")) return "it leads through another link";
  const stats = await lstatMany(all.map((part) => join(root, part)));
  if (stats.some((stat) => stat !== undefined && kindOf(stat) === "link"))
    return "it leads through another link";
  return undefined;
}
