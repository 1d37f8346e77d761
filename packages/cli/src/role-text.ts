/** Versions, roles and their changes, for people. */
import type { GateResult, RoleCard, RoleMove, VersionCard } from "@smc/store";
import { show } from "@smc/store/show";
import { formatAgo, formatNumber, formatSize, formatTable, shortDigest } from "./format.ts";
import type { Output } from "./output.ts";

const METRICS_TOLD_MAX = 4;

/** What the daemon is asked with besides the words of the command. */
export function seen(plan: RoleMove | undefined): { expected?: string | null } {
  return plan === undefined ? {} : { expected: plan.from?.commit ?? null };
}

/** "About to move champion v1.0.1 -> v1.0.0 (azi 71.28 -> 50.66)", and why. */
export function tellMove(plan: RoleMove, reason: string): string[] {
  const { role, from, to, archives, dropsChallenger } = plan;
  const metrics = from === null ? "" : movedMetrics(from, to);
  const lines = [`About to move ${role}  ${from?.version ?? "(nobody)"} -> ${to.version}${metrics}`];
  lines.push(`  reason: ${reason}`);
  if (archives !== null && from !== null) lines.push(`  ${from.version} is archived`);
  if (dropsChallenger) lines.push(`  ${to.version} is no challenger any more`);
  return lines;
}

function movedMetrics(from: VersionCard, to: VersionCard): string {
  const parts = Object.entries(to.metrics).flatMap(([name, value]) => {
    const before = from.metrics[name];
    return before === undefined || before === value
      ? []
      : [`${name} ${formatNumber(before)} -> ${formatNumber(value)}`];
  });
  if (parts.length === 0) return "";
  const more = parts.length > METRICS_TOLD_MAX ? ", …" : "";
  return `  (${parts.slice(0, METRICS_TOLD_MAX).join(", ")}${more})`;
}

/** "Moved champion v1.0.0 -> v1.0.1", and what came with it. */
export function printMove(plan: RoleMove, out: Output): void {
  const { role, from, to, archives, unarchives, dropsChallenger } = plan;
  const before = from === null ? "" : `${show(from.version, 200)} -> `;
  out.line(`Moved ${show(role, 80)}  ${before}${show(to.version, 200)}`);
  if (archives !== null) out.line(`  archived   ${show(archives.slice("refs/archive/".length), 200)}`);
  if (unarchives.length > 0) out.line(`  unarchived ${show(to.version, 200)}`);
  if (dropsChallenger) out.line(`  there is no challenger any more`);
}

/** The terms that a version does not meet: term, left side, right side. */
export function printGate({ require, failed }: GateResult, out: Output): void {
  out.line(`not met: ${show(require, 1000)}`);
  const rows = failed.map(({ term, left, right }) => [
    show(term, 200),
    show(String(left), 80),
    right === null ? "" : show(String(right), 80),
  ]);
  for (const line of formatTable([["TERM", "LEFT", "RIGHT"], ...rows])) out.line(`  ${line}`);
}

export function printRole(card: RoleCard, out: Output): void {
  const { version, commit, subject, since, by, reason, metrics, sizeBytes } = card;
  out.line(`${out.paint("bold", show(version, 200))}  ${shortDigest(commit)}  ${show(subject, 200)}`);
  const rows = [
    ["since", `${show(since, 60)} (${formatAgo(Date.parse(since), Date.now())})`],
    ["by", show(by, 200)],
    ["why", show(reason, 300)],
    ["size", formatSize(sizeBytes)],
  ];
  for (const [name, value] of Object.entries(metrics)) rows.push([show(name, 80), formatNumber(value)]);
  for (const line of formatTable(rows)) out.line(`  ${line}`);
}
