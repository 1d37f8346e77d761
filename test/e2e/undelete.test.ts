import { afterAll, expect, test } from "vitest";
import { createSandbox } from "./sandbox.ts";

const box = await createSandbox();
afterAll(() => box[Symbol.asyncDispose]());

interface Result {
  readonly listed: boolean;
  readonly epochs: readonly { readonly name: string; readonly packs: number; readonly bytes: number }[];
  readonly commits: readonly { readonly digest: string }[];
}

test("smc undelete undoes one gc or all of them, and lists the commits that are back", async () => {
  await box.commit("kept", { a: "kept\n" });
  const lost: string[] = [];
  for (const name of ["one", "two"]) {
    await box.ok("switch", "-c", name);
    lost.push(await box.commit(name, { a: `${name}\n` }));
    await box.ok("switch", "main");
    await box.ok("branch", "-D", name);
    await box.ok("gc", "--older-than", "0");
  }
  const { epochs, listed } = await box.json<Result>("undelete", "--list");
  expect(listed).toBe(true);
  expect(epochs).toHaveLength(2);
  const oldest = epochs.at(-1)?.name ?? "";
  expect(await box.ok("undelete", "-q", oldest)).toBe(`${lost[0]}\n`);
  expect((await box.json<Result>("undelete")).commits).toMatchObject([{ digest: lost[1] }]);
  for (const digest of lost) await box.ok("show", digest);
  expect((await box.smc(["fsck", "--full"])).code).toBe(0);
});

test("smc undelete of an epoch that is not there says so", async () => {
  expect(await box.refused("undelete", "20260101T000000Z")).toMatchObject({ exit: 3 });
  expect(await box.ok("undelete")).toBe("nothing can be brought back\n");
});
