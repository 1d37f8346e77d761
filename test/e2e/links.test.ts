/** Remotes behind a link, through the command line, from a server that answers as the services do. */
import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { LinkServer } from "../../packages/daemon/src/links/link-server.ts";
import { Sandbox } from "./sandbox.ts";

test("S4.14 one bundle is cloned and fetched behind a link of each service, and nothing is pushed there", async () => {
  await using a = new Sandbox();
  await using b = new Sandbox();
  await using server = await LinkServer.start();
  const { links, settings } = server;
  await a.ok("init");
  a.write("model.bin", "one");
  await a.ok("add", ".");
  await a.ok("commit", "-m", "one");
  await a.ok("bundle", "create", "../model.car", "--all");
  server.file = readFileSync(join(a.root, "model.car"));
  mkdirSync(join(b.root, "cloned"));
  for (const name of ["github", "gdrive", "dropbox"] as const)
    await b.ok("config", "set", `links.${name}`, settings[name]);
  await b.ok("clone", "-q", links.web, join(b.root, "cloned"));
  expect(readFileSync(join(b.root, "cloned", "model.bin"), "utf8")).toBe("one");
  const inClone = { in: "cloned" };
  for (const name of ["github", "gdrive", "dropbox"] as const) {
    const added = await b.smc(["remote", "add", name, links[name]], inClone);
    expect(added).toMatchObject({ code: 0, stdout: expect.stringContaining("1 branch") });
    expect(await b.smc(["fetch", name], inClone)).toMatchObject({ code: 0 });
    expect((await b.smc(["ls-remote", name], inClone)).stdout).toContain("refs/heads/main");
  }
  const before = server.requests.length;
  const pushed = await b.smc(["--json", "push", "origin", "main"], inClone);
  expect(pushed).toMatchObject({ code: 5, stdout: expect.stringContaining("PUSH_FORBIDDEN") });
  expect(server.requests).toHaveLength(before);
  expect(await b.smc(["verify", "main", "--remote", "github", "--full"], inClone)).toMatchObject({ code: 0 });
  expect(await b.smc(["fsck", "--remote", "gdrive", "--full"], inClone)).toMatchObject({ code: 0 });
});
