/** Which packs of a remote hold something that its refs need, and taking the others away. */
import { type Call } from "../call.ts";
import { Damaged } from "../check/damaged.ts";
import { Walk } from "../check/walk.ts";
import { SmcError } from "../errors.ts";
import { parseSpan } from "../history/dates.ts";
import type { Digest } from "../objects/digest.ts";
import type { OwnedStore } from "../open-store.ts";
import { PRUNED_PREFIX } from "../refs/refs.ts";
import { show } from "../show.ts";
import {
  assertTakesPushes,
  type Remote,
  type RemoteRef,
  type RemoteRow,
  type RemoteSweep,
} from "./remote.ts";
import { RemoteRecords } from "./remote-records.ts";
import { RemoteSource } from "./remote-walk.ts";

/** What refs there named within this time is kept. */
const PAST_SPAN = "30 days";
/** What was put there within this time is kept: somebody may be pushing. */
const GRACE_SPAN = "24 hours";

export interface RemoteGcOptions {
  readonly remote: Remote;
  readonly remoteName: string;
  /** Tells what would be done, and does nothing. */
  readonly dryRun?: boolean;
  /** What refs there named within this span ("30 days", the default) is kept. */
  readonly olderThan?: string;
  /**
   * What was put there within this span ("24 hours", the default) is kept; "0 days": who pushes meanwhile has to push
   * again.
   */
  readonly grace?: string;
  /** "Name <address>": who does it, for the log of the refs there. */
  readonly actor: string;
}

export interface RemoteGcResult {
  readonly remote: { readonly name: string; readonly url: string };
  readonly dryRun: boolean;
  readonly packs: { readonly kept: number; readonly dropped: number; readonly postponed: number };
  readonly freedBytes: number;
  /** Uploads in parts that nobody finished for 7 days, and that were taken back. */
  readonly uploads: number;
}

/**
 * Takes away the packs of a remote of which nothing is needed. Fails closed: when anything that the refs need is
 * missing or damaged, nothing goes. Throws ARGUMENT_INVALID for a remote that cleans up by itself, PUSH_FORBIDDEN for
 * one that can only be read, REMOTE_INCOMPLETE, REF_CHANGED when somebody pushed meanwhile.
 */
export async function gcRemote(
  store: OwnedStore,
  { remote, remoteName, dryRun = false, actor, ...spans }: RemoteGcOptions,
  call: Call,
): Promise<RemoteGcResult> {
  const spanMs = parseSpan(spans.olderThan ?? PAST_SPAN);
  const graceMs = parseSpan(spans.grace ?? GRACE_SPAN);
  assertTakesPushes(remote);
  const sweep = await remote.beginSweep?.({ spanMs }, call);
  if (sweep === undefined)
    throw new SmcError(
      "ARGUMENT_INVALID",
      `${remote.url} is a server, which takes away by itself what nothing needs`,
      { hint: 'run "smc gc" on the server' },
    );
  const needed = await findNeeded({ store, remote }, sweep, call);
  const reason = { op: "gc", reason: "gc", actor };
  const { bytes, uploads, ...packs } = await sweep.finish({ needed, graceMs, dryRun, reason }, call);
  return { remote: { name: remoteName, url: remote.url }, dryRun, packs, freedBytes: bytes, uploads };
}

/** Packs with at least one record that a ref needs, or needed within the span. */
async function findNeeded(
  { store, remote }: { store: OwnedStore; remote: Remote },
  { refs, past }: RemoteSweep,
  call: Call,
): Promise<Set<Digest>> {
  const isPruned = ({ name }: RemoteRef): boolean => name.startsWith(PRUNED_PREFIX);
  const pruned = new Set([...refs, ...past].filter(isPruned).map(({ digest }) => digest));
  await using records = new RemoteRecords({ store, remote, isAlone: false }, call);
  const source = new RemoteSource(records, store);
  const walk = async (roots: readonly RemoteRef[]): Promise<Damaged> => {
    const damaged = new Damaged();
    const walk = new Walk<RemoteRow>(source, { damaged, pruned, phase: "mark" }, call);
    for (const { name, digest } of roots)
      await walk.visit({ digest, kind: "unknown", root: show(name, 300), path: "" });
    return damaged;
  };
  const [problem] = (await walk(refs)).objects();
  if (problem !== undefined)
    throw new SmcError("REMOTE_INCOMPLETE", `${remote.url}: ${problem.message}; nothing was taken away`, {
      details: { missing: [problem.digest] },
    });
  // Of what was named once, an earlier gc may have taken a part away.
  await walk(past);
  return new Set(source.packs.keys());
}
