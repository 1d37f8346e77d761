import { once } from "node:events";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { createSandbox } from "./sandbox.ts";

const box = await createSandbox();
afterAll(() => box[Symbol.asyncDispose]());

test("smc doctor of a sound machine ends with 0", async () => {
  await box.commit("one", { "a.txt": "a" });
  const text = await box.ok("doctor");
  for (const check of ["node", "store", "refs"])
    expect(text).toMatch(new RegExp(`^(PASS|WARN) +${check} `, "m"));
  expect(await box.json("doctor")).toMatchObject({ ok: true });
  expect(await box.ok("doctor", "-q")).toBe("");
});

test("smc doctor ends with 1 when the worktree is broken", async () => {
  writeFileSync(box.path(".smc/HEAD"), "nonsense\n");
  const ran = await box.smc(["doctor"]);
  expect(ran.code).toBe(1);
  expect(ran.stdout).toMatch(/^FAIL +worktree/m);
  expect((await box.smc(["doctor", "-q"])).stdout).toContain("worktree");
});

interface Row {
  readonly check: string;
  readonly state: string;
}

test("S4.24 smc doctor says PASS or FAIL of size, space, digest, network, URL and permissions, with the fix", async () => {
  await using fresh = await createSandbox();
  const six = ["size", "space", "digest", "network", "url", "permissions"];
  const states = async (...words: string[]) => {
    const ran = await fresh.smc(["doctor", "--json", ...words]);
    const { checks }: { checks: Row[] } = JSON.parse(ran.stdout);
    const failed = checks.filter(({ state }) => state === "fail").map(({ check }) => check);
    return { code: ran.code, checks: checks.map(({ check }) => check), failed: [...new Set(failed)] };
  };
  const sound = await states();
  expect(sound).toMatchObject({ code: 0, failed: [] });
  expect(sound.checks).toEqual(expect.arrayContaining([...six, "clock", "daemon", "remote"]));
  const server = createServer((request, response) =>
    response.writeHead(request.url === "/best.pt" ? 200 : 404).end(),
  );
  await once(server.listen(0, "127.0.0.1"), "listening");
  const { port } = server.address() as AddressInfo;
  const url = `http://127.0.0.1:${port}`;
  fresh.write("data/models/downloads/broken.pt", "");
  fresh.write("data/models/downloads/b.bin", "weights");
  await fresh.ok("backup", "data/models/downloads/b.bin", "copy.bin");
  fresh.write("data/models/backups/copy.bin", "Weights");
  fresh.write("data/models/active", "no folder");
  mkdirSync(join(fresh.root, "nas/model"), { recursive: true });
  await fresh.ok("remote", "add", "origin", `file://${fresh.root}/nas/model`);
  const broken = await states(`${url}/best.pt`, `${url}/gone.pt`);
  expect(broken).toMatchObject({ code: 1, failed: ["size", "digest", "permissions", "url"] });
  const offline = await states("--offline");
  for (const check of ["network", "url", "remote"]) expect(offline.checks).not.toContain(check);
  server.close();
  rmSync(join(fresh.root, "nas"), { recursive: true });
  const { stdout } = await fresh.smc(["doctor", `${url}/best.pt`]);
  expect(stdout).toMatch(/^FAIL +url +'http:.*nobody answers there.*\n +fix: /m);
  expect(stdout).toMatch(/^FAIL +remote +\S+ origin: there is no folder/m);
  expect(stdout).toMatch(/^FAIL +size +.*broken\.pt' is empty\n +fix: copy, download/m);
});
