/** Of `smc doctor`: the store, its refs, what reading packs again has found. */
import { lstat } from "node:fs/promises";
import { createPacer } from "../call.ts";
import { formatMoment, momentAt } from "../history/dates.ts";
import { show } from "../show.ts";
import { named } from "./machine.ts";
import { type Check, fail, type Finding, FINDINGS_MAX, pass } from "./row.ts";

export const checkStore: Check = async ({ store }) => {
  const findings: Finding[] = [];
  const stat = await named(store.path, lstat(store.path));
  const uid = process.getuid?.();
  const shown = show(store.path);
  if (uid !== undefined && stat.uid !== uid)
    findings.push(
      fail(
        `'${shown}' is owned by uid ${stat.uid}, not by you (${uid})`,
        `run smc as its owner, or chown -R it`,
      ),
    );
  if (process.platform !== "win32" && (stat.mode & 0o022) !== 0) {
    const mode = (stat.mode & 0o777).toString(8).padStart(4, "0");
    findings.push(fail(`'${shown}' has mode ${mode}: others may write into it`, `chmod go-w '${shown}'`));
  }
  if (store.readOnlyReason !== undefined)
    findings.push(
      fail(`the store takes no writes: ${store.readOnlyReason}`, 'see what is wrong with "smc fsck --full"'),
    );
  return findings.length > 0 ? findings : [pass(`'${shown}', id ${store.id}`)];
};

export const checkRefs: Check = async ({ store, call }) => {
  const pace = createPacer(call);
  const findings: Finding[] = [];
  let count = 0;
  for (const { name } of await store.refs.listRepositories()) {
    for (const ref of await store.refs.list(name)) {
      count += 1;
      if ((await store.objects.stat(ref.digest)) === undefined && findings.length < FINDINGS_MAX) {
        const message = `${name}: ${ref.name} names ${ref.digest.slice(0, 12)}, which is not in the store`;
        findings.push(fail(message, 'see what is affected with "smc fsck"'));
      }
      await pace();
    }
  }
  return findings.length > 0 ? findings : [pass(`${count} refs, all there`)];
};

/** What the daemon found when it read packs again. */
export const checkScrub: Check = async ({ store }) => {
  const { packs, never, lastMs, damaged } = await store.scrubState();
  if (damaged.length > 0)
    return damaged.map(({ pack, problems, checkedMs, message }) => {
      const when = formatMoment(momentAt(checkedMs));
      const what = `pack ${pack.slice(0, 12)}: ${problems} problems on ${when}: ${message}`;
      return fail(what, 'mend it with "smc fsck --repair"');
    });
  const last =
    lastMs === undefined ? "no pack was read again yet" : `last on ${formatMoment(momentAt(lastMs))}`;
  return [pass(`${last}; ${never} of ${packs} packs never; no damage`)];
};
