/** Tar files that almost are backups: each is refused, and nothing of it is written. */
import { randomBytes } from "node:crypto";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { isSmcError } from "../errors.ts";
import { hashBytes } from "../objects/digest.ts";
import { placeOf } from "../testing/files-place.ts";
import { Mutator, SEED } from "../testing/mutations.ts";
import { codeOf } from "../testing/remote-scene.ts";
import { QUIET } from "../testing/testing.ts";
import { type Bench, withWorktree } from "../testing/worktree.ts";
import { backup } from "../verbs/backup.ts";
import { restoreBackup } from "../verbs/restore-backup.ts";

const ROUNDS = Number(process.env.FUZZ_ROUNDS ?? 100);
const END = Buffer.alloc(1024);

interface Fields {
  readonly type?: string;
  readonly size?: number | string;
  readonly link?: string;
  readonly magic?: string;
  readonly prefix?: string;
}

/** A header whose checksum fits. */
function header(
  name: string,
  { type = "0", size = 0, link = "", magic = "ustar\u000000", prefix = "" }: Fields,
): Buffer {
  const block = Buffer.alloc(512);
  const put = (text: string, at: number): number => block.write(text, at, "latin1");
  put(name, 0);
  put("0000644\0", 100);
  put(typeof size === "string" ? size : `${size.toString(8).padStart(11, "0")} `, 124);
  put("00000000000 ", 136);
  put("        ", 148);
  put(type, 156);
  put(link, 157);
  put(magic, 257);
  put(prefix, 345);
  const sum = block.reduce((total, byte) => total + byte, 0);
  put(`${sum.toString(8).padStart(6, "0")}\0 `, 148);
  return block;
}

function entry(name: string, content: string, fields: Fields = {}): Buffer {
  const bytes = Buffer.from(content);
  const padding = Buffer.alloc((512 - (bytes.length % 512)) % 512);
  return Buffer.concat([header(name, { size: bytes.length, ...fields }), bytes, padding]);
}

function row(path: string, content: string, more: object = {}): object {
  const md5 = "d41d8cd98f00b204e9800998ecf8427e";
  return {
    path,
    sizeBytes: content.length,
    sha256: hashBytes(Buffer.from(content)),
    md5,
    executable: false,
    ...more,
  };
}

function manifest(files: readonly object[], more: object = {}): Buffer {
  const fields = {
    format: "smc-backup",
    version: 1,
    kind: "revision",
    name: "x.tar",
    createdBy: "Ada <a@b>",
  };
  const value = { ...fields, created: "2026-01-15T10:11:12.000Z", source: {}, files, links: [], ...more };
  return entry("manifest.json", JSON.stringify(value));
}

/** A manifest that names one file, and what then comes. */
function with1(path: string, ...rest: readonly Buffer[]): Buffer {
  return Buffer.concat([manifest([row(path, "x")]), ...rest, END]);
}

const X = entry("files/a", "x");
const pax = (record: string, fields: Fields = {}): Buffer =>
  entry("PaxHeader", record, { type: "x", ...fields });

const HOSTILE: readonly (readonly [string, Buffer])[] = [
  ["nothing at all", Buffer.alloc(0)],
  ["only an end", END],
  ["no manifest", Buffer.concat([X, END])],
  ["a manifest that comes second", Buffer.concat([X, manifest([row("a", "x")]), END])],
  ["a manifest that is no JSON", Buffer.concat([entry("manifest.json", "{"), END])],
  ["a manifest of another program", Buffer.concat([entry("manifest.json", '{"format":"other"}'), END])],
  ["a manifest of a file", Buffer.concat([manifest([], { kind: "file" }), END])],
  ["a manifest with a negative size", Buffer.concat([manifest([row("a", "x", { sizeBytes: -1 })]), X, END])],
  ["a manifest without digests", Buffer.concat([manifest([row("a", "x", { sha256: "" })]), X, END])],
  ["a manifest that climbs out", with1("../a", entry("files/../a", "x"))],
  ["a name that climbs out", with1("a", entry("files/../../a", "x"))],
  ["an absolute name", with1("a", entry("/etc/a", "x"))],
  ["an absolute name in a long one", with1("a", pax("17 path=/etc/abcd\n"), X)],
  ["a name with a backslash", with1("a", entry("files\\a", "x"))],
  ["an empty name", with1("a", entry("", "x"))],
  ["a name of ours", with1("a", entry("files/.smc/head", "x"))],
  ["a symbolic link", with1("a", entry("files/a", "", { type: "2", link: "/etc/passwd" }))],
  ["a hard link", with1("a", entry("files/a", "", { type: "1", link: "manifest.json" }))],
  ["a character device", with1("a", entry("files/a", "", { type: "3" }))],
  ["a block device", with1("a", entry("files/a", "", { type: "4" }))],
  ["a fifo", with1("a", entry("files/a", "", { type: "6" }))],
  ["a folder", with1("a", entry("files/", "", { type: "5" }))],
  ["a sparse file", with1("a", entry("files/a", "x", { type: "S" }))],
  ["a global header", with1("a", entry("g", "11 path=/a\n", { type: "g" }), X)],
  ["a long name of GNU", with1("a", entry("././@LongLink", "files/a\0", { type: "L" }), X)],
  ["a file twice", Buffer.concat([manifest([row("a", "x"), row("a", "x")]), X, X, END])],
  [
    "a file that differs by case",
    Buffer.concat([manifest([row("a", "x"), row("A", "x")]), X, entry("files/A", "x"), END]),
  ],
  [
    "a file below a file",
    Buffer.concat([manifest([row("a", "x"), row("a/b", "x")]), X, entry("files/a/b", "x"), END]),
  ],
  [
    "a file above a file",
    Buffer.concat([manifest([row("a/b", "x"), row("a", "x")]), entry("files/a/b", "x"), X, END]),
  ],
  ["a file that the manifest lacks", Buffer.concat([manifest([]), X, END])],
  ["a file less than the manifest says", with1("a")],
  ["another file than the manifest says", with1("b", X)],
  ["another size than the manifest says", with1("a", entry("files/a", "xy"))],
  ["a size beyond the end", with1("a", header("files/a", { size: 0o77777777777 }))],
  ["a size that is no number", with1("a", header("files/a", { size: "lots        " }))],
  ["a size of eleven bytes", with1("a", header("files/a", { size: `\u0080${"\u00ff".repeat(11)}` }))],
  ["a negative size", with1("a", header("files/a", { size: "\u00ff".repeat(12) }))],
  ["a manifest beyond the end", Buffer.concat([header("manifest.json", { size: 0o77777777777 }), END])],
  ["a long name that is long", with1("a", pax(`20000 path=${"a".repeat(19_988)}\n`), X)],
  ["a long name beyond the end", with1("a", header("PaxHeader", { type: "x", size: 0o77777777777 }))],
  ["two long names", with1("a", pax("16 path=files/a\n"), pax("16 path=files/a\n"), X)],
  ["a long name before nothing", with1("a", X, pax("16 path=files/b\n"))],
  ["a header of pax with a size", with1("a", pax("10 size=9\n"), X)],
  ["a header of pax that lies", with1("a", pax("99 path=files/a\n"), X)],
  ["no end", with1("a", X).subarray(0, -1024)],
  ["half an end", with1("a", X).subarray(0, -512)],
  ["something behind the end", Buffer.concat([with1("a", X), entry("files/b", "x")])],
  ["a header of another kind", with1("a", entry("files/a", "x", { magic: "nothing!" }))],
  ["other bytes than the digest says", with1("a", entry("files/a", "y"))],
  [
    "a store with a file of its own",
    Buffer.concat([manifest([row("run/lock", "x")], { kind: "store" }), entry("files/run/lock", "x"), END]),
  ],
];

async function refuse(bench: Bench, bytes: Uint8Array): Promise<string> {
  writeFileSync(join(bench.root, "bad.tar"), bytes);
  const before = readdirSync(bench.root).sort();
  const code = await codeOf(() =>
    restoreBackup(placeOf(bench), { backup: "bad.tar", destination: "goal" }, QUIET),
  );
  if (code !== "nothing thrown") expect(readdirSync(bench.root).sort()).toEqual(before);
  return code;
}

test("a tar file that is no honest backup is refused, and nothing is written", async () => {
  await withWorktree(async (bench) => {
    for (const [what, bytes] of HOSTILE) expect(await refuse(bench, bytes), what).toBe("OBJECT_CORRUPT");
    const later = Buffer.concat([manifest([row("a", "x")], { version: 2 }), X, END]);
    expect(await refuse(bench, later)).toBe("FORMAT_UNSUPPORTED");
    const md5 = { md5: "9dd4e461268c8034f5c8564e155c67a6" };
    const honest = Buffer.concat([manifest([row("a", "x", md5)]), X, END]);
    expect(await refuse(bench, honest)).toBe("nothing thrown");
  });
});

test(`damage anywhere in a backup is refused (seed ${SEED})`, async () => {
  await withWorktree(async (bench) => {
    await bench.commit({ "a.bin": randomBytes(3000), [`${"long".repeat(40)}.bin`]: "1", "b.txt": "text" });
    const { places } = await backup(placeOf(bench), { target: "HEAD", name: "x" }, QUIET);
    const whole = readFileSync(places[0]?.path ?? "");
    const mutator = new Mutator(SEED);
    for (let round = 0; round < ROUNDS; round += 1) {
      const bytes = mutator.mutate(whole);
      try {
        await restoreBackup(
          placeOf(bench),
          { backup: await put(bench, bytes), destination: `goal-${round}` },
          QUIET,
        );
        // What stands in no digest: names and times of headers are seen, owners are not.
        expect(readFileSync(join(bench.root, `goal-${round}`, "b.txt"), "utf8")).toBe("text");
      } catch (error) {
        if (!isSmcError(error)) throw error;
        expect(["OBJECT_CORRUPT", "FORMAT_UNSUPPORTED"], `round ${round}: ${error.message}`).toContain(
          error.code,
        );
        expect(readdirSync(bench.root)).not.toContain(`goal-${round}`);
      }
    }
    expect(readdirSync(bench.root).filter((name) => name.startsWith(".smc-tmp"))).toEqual([]);
  });
});

async function put(bench: Bench, bytes: Uint8Array): Promise<string> {
  writeFileSync(join(bench.root, "bad.tar"), bytes);
  return "bad.tar";
}
