/** What `fetch`, `pull` and `push` say of each ref, as git does. */
import type { FetchResult, MovedRef, PushResult } from "@smc/store";
import { show } from "@smc/store/show";
import { formatCount, formatSize, pad, shortDigest, shortRef } from "./format.ts";
import type { Output } from "./output.ts";

const LEFT_WIDTH = 21;
/** Of less time a rate says nothing. */
const RATE_MS_MIN = 100;

function kindOf(name: string): string {
  if (name.startsWith("refs/tags/")) return "tag";
  return /^refs\/(?:heads|remotes)\//.test(name) ? "branch" : "ref";
}

/** One line for a ref that moved: ` * [new tag]  v1.0.0 -> v1.0.0`. */
export function moveLine(ref: MovedRef, { from, to }: { from: string; to: string }): string {
  const names = from === to ? to : `${from} -> ${to}`;
  const line = (mark: string, what: string, rest: string): string =>
    ` ${mark} ${pad(what, LEFT_WIDTH)} ${rest}`;
  if (ref.to === null) return line("-", "[deleted]", to);
  if (ref.from === null) return line("*", `[new ${kindOf(ref.name)}]`, names);
  const short = [shortDigest(ref.from), shortDigest(ref.to)];
  if (ref.fastForward) return line(" ", short.join(".."), `${from} -> ${to}`);
  return line("+", short.join("..."), `${from} -> ${to} (forced update)`);
}

/** `refs/remotes/origin/main` of remote `origin` → `main`: what it is called there. */
function nameThere(name: string, remote: string): string {
  const prefix = `refs/remotes/${remote}/`;
  return name.startsWith(prefix) ? show(name.slice(prefix.length), 200) : shortRef(name);
}

/** `57.2 MiB, 130.7 MiB/s` */
export function formatMoved(bytes: number, ms: number): string {
  const rate = ms < RATE_MS_MIN ? "" : `, ${formatSize((bytes * 1000) / ms)}/s`;
  return `${formatSize(bytes)}${rate}`;
}

/** What a fetch brought. */
export function printFetched(data: FetchResult, out: Output): void {
  const { refs, skipped, remote, url, objects, receivedBytes, receiveMs, verifiedBlobs } = data;
  for (const { name, why } of skipped) out.hint(`left out ${show(name, 200)}: ${show(why, 300)}`);
  if (refs.length === 0) return;
  out.line(`From ${show(remote)} (${show(url, 300)})`);
  if (objects > 0) {
    out.line(`  Received   ${formatCount(objects, "object")}, ${formatMoved(receivedBytes, receiveMs)}`);
    out.line(`  Verified   ${formatCount(verifiedBlobs, "file")}  ok`);
  }
  for (const ref of withoutNotes(refs, out))
    out.line(moveLine(ref, { from: nameThere(ref.name, remote), to: shortRef(ref.name) }));
}

/** Notes are on refs that nobody names: they are counted. */
function withoutNotes(refs: readonly MovedRef[], out: Output): readonly MovedRef[] {
  const others = refs.filter(({ name }) => !name.startsWith("refs/notes/"));
  const count = refs.length - others.length;
  if (count > 0) out.line(`  Notes      about ${formatCount(count, "commit")}`);
  return others;
}

export interface PushedView {
  /** What a ref is called here, by its name there. */
  readonly sources?: ReadonlyMap<string, string>;
  readonly isDry?: boolean;
}

/** What a push brought there. */
export function printPushed(
  data: PushResult,
  out: Output,
  { sources, isDry = false }: PushedView = {},
): void {
  if (data.refs.length === 0) {
    out.line("Everything up-to-date");
    return;
  }
  out.line(`To ${show(data.remote)} (${show(data.url, 300)})`);
  const { objects, thereObjects, content, resumed } = data;
  if (objects + thereObjects > 0) {
    const shared = content.thereBytes === 0 ? "" : ` (${shareText(content)})`;
    out.line(
      `  Checking   ${formatCount(objects + thereObjects, "object")}, ${thereObjects} already there${shared}`,
    );
  }
  if (resumed !== null) {
    const percent = Math.floor((100 * resumed.objects) / Math.max(1, resumed.total));
    out.line(`  Resumed    at ${percent} % (${resumed.objects} of ${resumed.total} objects already sent)`);
  }
  if (objects > 0 && isDry) out.line(`  To send    ${formatCount(objects, "object")}`);
  else if (objects > 0) printSent(data, out);
  for (const ref of withoutNotes(data.refs, out)) {
    const to = shortRef(ref.name);
    out.line(moveLine(ref, { from: sources?.get(to) ?? to, to }));
  }
}

function printSent({ objects, sentBytes, packs, sendMs, verifiedObjects }: PushResult, out: Output): void {
  const parts = [formatCount(objects, "object"), formatCount(packs, "pack"), formatMoved(sentBytes, sendMs)];
  out.line(`  Sent       ${parts.join(", ")}`);
  out.line(`  Verified   ${formatCount(verifiedObjects, "digest")}  ok`);
}

/** `93 % of 48.2 MiB` */
function shareText({ bytes, thereBytes }: PushResult["content"]): string {
  return `${Math.floor((100 * thereBytes) / Math.max(1, bytes))} % of ${formatSize(bytes)}`;
}

/** What refs are now: the answer with `-q`. */
export function movedDigests(refs: readonly MovedRef[]): string[] {
  return refs.flatMap(({ to }) => to ?? []);
}
