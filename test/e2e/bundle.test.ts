import { copyFileSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { createSandbox } from "./sandbox.ts";

const box = await createSandbox();
const other = await createSandbox();
afterAll(async () => {
  await box[Symbol.asyncDispose]();
  await other[Symbol.asyncDispose]();
});

interface Result {
  readonly refs: readonly { readonly name: string; readonly digest: string }[];
  readonly since: readonly string[];
  readonly format: string;
  readonly records: number;
  readonly checked: { readonly commits: number; readonly files: number } | null;
  readonly imported: { readonly refs: readonly { readonly name: string }[]; readonly objects: number } | null;
}

/** Bytes that no codec makes shorter and that are cut into several chunks. */
function weights(seed: number): Buffer {
  const bytes = Buffer.alloc(6_000_000);
  for (let at = 0, state = seed; at < bytes.length; at += 4) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    bytes.writeUInt32LE(state, at);
  }
  return bytes;
}

box.write("model.bin", weights(1));
const first = await box.commit("first", { "config.json": "{}\n", empty: "" });
await box.ok("tag", "v1.0.0", "-m", "first");

/** Carries a file to the other machine. */
function carry(name: string): void {
  copyFileSync(box.path(name), other.path(name));
}

test("smc bundle carries branches and tags to another machine, whole and then what is new", async () => {
  expect(await box.ok("bundle", "create", "../one.car", "main", "v1.0.0")).toMatch(
    /^Wrote .*one\.car: \d+ objects/,
  );
  expect(await box.ok("bundle", "list", "../one.car")).toContain("v1.0.0");
  expect(await box.ok("bundle", "verify", "../one.car")).toMatch(
    /1 commit, 1 tree, 1 tag, 3 files[^]*\nok\n$/,
  );
  carry("../one.car");
  expect(await other.ok("bundle", "import", "../one.car")).toMatch(/\[new tag\] +v1\.0\.0/);
  await other.ok("switch", "-c", "main", "bundle/main");
  for (const name of ["model.bin", "config.json", "empty"]) expect(other.digest(name)).toBe(box.digest(name));

  const second = await box.commit("second", { "config.json": '{"a":1}\n' });
  const made = await box.json<Result>("bundle", "create", "../two.car", "--all", "--since", "v1.0.0");
  expect(made.since).toEqual([first]);
  expect(made.records).toBeLessThan(6);
  carry("../two.car");
  expect(await other.ok("bundle", "list", "../two.car")).toContain(`needs ${first}`);
  const { imported } = await other.json<Result>("bundle", "import", "../two.car");
  expect(imported?.refs).toMatchObject([{ name: "refs/remotes/bundle/main", to: second }]);
  await other.ok("merge", "bundle/main");
  expect(other.read("config.json")).toBe('{"a":1}\n');
  expect(await other.ok("bundle", "import", "../two.car")).toBe("Already up to date.\n");
  await other.ok("fsck", "--full");
});

test("smc bundle verify and list need no repository", async () => {
  const path = box.path("../one.car");
  const ran = await box.smc(["bundle", "verify", path], { in: "." });
  expect(ran).toMatchObject({ code: 0 });
  const listed = await box.smc(["bundle", "list", path, "-q"], { in: "." });
  expect(listed.stdout.split("\n")[0]).toBe(first);
});

test("smc bundle create --format carv2 adds an index, and such a bundle is taken", async () => {
  const made = await box.json<Result>("bundle", "create", "../indexed.car", "v1.0.0", "--format", "carv2");
  expect(made).toMatchObject({ format: "carv2" });
  expect(readFileSync(box.path("../indexed.car"))[10]).toBe(2);
  expect(await box.ok("bundle", "verify", "../indexed.car")).toMatch(/^CARv2\n[^]*\nok\n$/);
});

test("smc bundle tells damage from what is no bundle, and imports neither", async () => {
  await using fresh = await createSandbox();
  const whole = readFileSync(box.path("../one.car"));
  const refs = await fresh.ok("refs");
  const offsets = [0, 20, 70, 300, 1000, whole.length >> 1, whole.length - 1];
  for (const at of offsets) {
    const bytes = Buffer.from(whole);
    bytes[at] = (bytes[at] ?? 0) ^ 4;
    writeFileSync(fresh.path("bad.car"), bytes);
    // Before the content of the root nobody can say that it is a bundle.
    const exit = at < 97 ? 2 : 4;
    expect(await fresh.refused("bundle", "verify", "bad.car"), `byte ${at}`).toMatchObject({ exit });
    expect(await fresh.refused("bundle", "import", "bad.car"), `byte ${at}`).toMatchObject({ exit });
  }
  for (const length of [0, 30, 80, 5000, whole.length - 1]) {
    writeFileSync(fresh.path("bad.car"), whole.subarray(0, length));
    const { exit } = await fresh.refused("bundle", "import", "bad.car");
    expect([2, 4], `${length} bytes`).toContain(exit);
  }
  writeFileSync(fresh.path("bad.car"), Buffer.concat([whole, Buffer.from("more")]));
  expect(await fresh.refused("bundle", "verify", "bad.car")).toMatchObject({ exit: 4 });
  expect(await fresh.ok("refs")).toBe(refs);
  expect((await fresh.json<{ checked: { packs: number } }>("fsck")).checked.packs).toBe(0);
});

test("smc bundle import tells what must be there first", async () => {
  await using fresh = await createSandbox();
  copyFileSync(box.path("../two.car"), fresh.path("../two.car"));
  const refused = await fresh.refused("bundle", "import", "../two.car");
  expect(refused).toMatchObject({ code: "REMOTE_INCOMPLETE", exit: 6 });
  expect(refused.message).toContain(first);
});

test("smc bundle create replaces a file only with --force, and leaves none that is not whole", async () => {
  writeFileSync(box.path("../mine.car"), "mine");
  expect(await box.refused("bundle", "create", "../mine.car")).toMatchObject({ code: "WOULD_OVERWRITE" });
  expect(box.read("../mine.car")).toBe("mine");
  await box.ok("bundle", "create", "--force", "../mine.car");
  await box.ok("bundle", "verify", "../mine.car");
  expect(await box.refused("bundle", "create", "../new.car", "nope")).toMatchObject({ exit: 3 });
  expect(existsSync(join(box.work, "../new.car"))).toBe(false);
});

test("smc bundle refuses words that it does not know", async () => {
  expect(await box.refused("bundle", "burn", "x.car")).toMatchObject({ code: "ARGUMENT_INVALID" });
  expect(await box.refused("bundle", "create")).toMatchObject({ code: "USAGE" });
  for (const action of ["create", "import"])
    expect(await box.refused("bundle", action, "-")).toMatchObject({ code: "USAGE" });
  expect(existsSync(join(box.work, "-"))).toBe(false);
  expect(await box.refused("bundle", "verify", "../one.car", "main")).toMatchObject({ code: "USAGE" });
  expect(await box.refused("bundle", "list", "--all", "../one.car")).toMatchObject({ code: "USAGE" });
  expect(await box.refused("bundle", "verify", "--name", "x", "../one.car")).toMatchObject({ code: "USAGE" });
  const indexed = ["bundle", "import", "--format", "carv2", "../one.car"];
  expect(await box.refused(...indexed)).toMatchObject({ code: "USAGE" });
});
