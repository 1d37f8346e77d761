import { expect, test } from "vitest";
import { parseMounts, unmounted } from "./mounts.ts";

const FSTAB = `# what is mounted at the start
UUID=1 /\text4\tdefaults 0 1

  host:/models   /mnt/nas nfs4 noauto,user 0 0
host:/old\t/mnt/nas/old\\040ones nfs4 ro 0 0
UUID=2 none swap sw 0 0
`;

test("unmounted() names the folder that a path lies in and on which nothing is mounted", () => {
  const wanted = parseMounts(FSTAB);
  expect(wanted.map(({ folder }) => folder)).toEqual(["/", "/mnt/nas", "/mnt/nas/old ones", "none"]);
  const root = { folder: "/", type: "overlay" };
  const nas = { folder: "/mnt/nas", type: "nfs4" };
  const at = (path: string, ...mounts: (typeof nas)[]): string | undefined =>
    unmounted(path, { wanted, mounts });
  expect(at("/home/ada/backups", root)).toBeUndefined();
  expect(at("/mnt/nas", root)).toBe("/mnt/nas");
  expect(at("/mnt/nas/models/new", root)).toBe("/mnt/nas");
  expect(at("/mnt/nas2", root)).toBeUndefined();
  expect(at("/mnt/nas/models", root, nas)).toBeUndefined();
  expect(at("/mnt/nas/old ones/x", root, nas)).toBe("/mnt/nas/old ones");
});
