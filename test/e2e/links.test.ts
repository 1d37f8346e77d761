/** Remotes behind a link, through the command line, from a server that answers as the services do. */
import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { LinkServer } from "../../packages/daemon/src/links/link-server.ts";
import { createSandbox, Sandbox } from "./sandbox.ts";
import { logIn } from "./team-server.ts";

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

/** Commits the text as the model and puts a bundle of everything behind the links. */
async function publish(sandbox: Sandbox, server: LinkServer, text: string): Promise<void> {
  sandbox.write("model.bin", text);
  await sandbox.ok("add", ".");
  await sandbox.ok("commit", "-m", text);
  const file = join(sandbox.root, `${text}.car`);
  await sandbox.ok("bundle", "create", file, "--all");
  server.file = readFileSync(file);
  server.etag = `"${text}"`;
}

test("S4.14 a new bundle behind a link is told by outdated and taken by pull; every verb that writes there is refused", async () => {
  await using a = await createSandbox();
  await using b = new Sandbox();
  await using server = await LinkServer.start();
  await publish(a, server, "one");
  await b.ok("clone", "-q", server.links.web, b.path("cloned"));
  const inClone = { in: "work/cloned" };
  const run = (...words: string[]) => b.smc(words, inClone);
  expect(await run("remote", "test", "origin")).toMatchObject({ code: 0 });
  await publish(a, server, "two");
  const { refs } = JSON.parse((await run("outdated", "--json")).stdout) as { refs: unknown };
  expect(refs).toMatchObject([{ remote: "origin", name: "refs/heads/main", state: "behind" }]);
  expect(await run("pull", "-q")).toMatchObject({ code: 0 });
  expect(readFileSync(b.path("cloned/model.bin"), "utf8")).toBe("two");
  const before = server.requests.length;
  for (const words of [
    ["sync", "origin"],
    ["sync", "--mirror", "origin", "--yes"],
    ["gc", "--remote", "origin", "--yes"],
  ])
    expect({ words, ran: await run(...words, "--json") }).toMatchObject({
      words,
      ran: { code: 5, stdout: expect.stringContaining("PUSH_FORBIDDEN") },
    });
  expect(server.requests).toHaveLength(before);
});

test("S4.14 the release of a private repository is read with a token of GitHub, which is kept only when it is good", async () => {
  await using a = await createSandbox();
  await using b = await createSandbox();
  await using server = await LinkServer.start();
  server.token = "github_pat_0123456789abcdef";
  await publish(a, server, "one");
  await b.ok("config", "set", "links.github", server.settings.github);
  const add = ["remote", "add", "release", server.links.github];
  expect(await b.smc(add)).toMatchObject({
    code: 3,
    stderr: expect.stringContaining(`smc login ${server.origin}`),
  });
  await expect(logIn(b, server.origin, "github_pat_wrong_0123456789")).rejects.toThrow("ended with 7");
  await logIn(b, server.origin, server.token);
  await b.ok(...add);
  await b.ok("fetch", "release");
  await b.ok("checkout", "--detach", "release/main");
  expect(readFileSync(b.path("model.bin"), "utf8")).toBe("one");
});
