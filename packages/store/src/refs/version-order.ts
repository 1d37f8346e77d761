/** The order of versions: releases `vX.Y.Z` by number, before anything else by name. Pure. */

export const RELEASE = /^v(0|[1-9]\d{0,8})\.(0|[1-9]\d{0,8})\.(0|[1-9]\d{0,8})$/;

/** For sorting names of tags. */
export function compareVersions(a: string, b: string): number {
  const [x, y] = [RELEASE.exec(a), RELEASE.exec(b)];
  if (x === null && y === null) return a < b ? -1 : a > b ? 1 : 0;
  if (x === null || y === null) return a < b ? -1 : 1;
  for (const part of [1, 2, 3]) {
    const distance = Number(x[part]) - Number(y[part]);
    if (distance !== 0) return distance;
  }
  return 0;
}

/** The name by which a version is known: its highest release, else the first of its other tags, else of its digest. */
export function versionName(tags: readonly string[], digest: string): string {
  const releases = tags.filter((tag) => RELEASE.test(tag)).sort(compareVersions);
  return releases.at(-1) ?? [...tags].sort()[0] ?? `c-${digest.slice(0, 12)}`;
}
