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

/** `v1.0.1` after `v1.0.0`; what is no release does not count, and before all is `v0.0.0`. */
export function nextRelease(names: readonly string[], part: "major" | "minor" | "patch"): string {
  const releases = names.filter((name) => RELEASE.test(name)).sort(compareVersions);
  const [major = 0, minor = 0, patch = 0] = (releases.at(-1) ?? "v0.0.0").slice(1).split(".").map(Number);
  if (part === "major") return `v${major + 1}.0.0`;
  return part === "minor" ? `v${major}.${minor + 1}.0` : `v${major}.${minor}.${patch + 1}`;
}

/** The name by which a version is known: its highest release, else the first of its other tags, else of its digest. */
export function versionName(tags: readonly string[], digest: string): string {
  const releases = tags.filter((tag) => RELEASE.test(tag)).sort(compareVersions);
  return releases.at(-1) ?? [...tags].sort()[0] ?? `c-${digest.slice(0, 12)}`;
}
