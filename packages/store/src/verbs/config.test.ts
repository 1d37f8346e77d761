import { join } from "node:path";
import { expect, test } from "vitest";
import { withDesk } from "../testing/history.ts";
import { QUIET } from "../testing/testing.ts";
import { config, type ConfigOptions } from "./config.ts";

test("config() gets, sets, unsets and lists with origins", async () => {
  await withDesk(async (desk) => {
    const { store } = desk.history;
    const run = (options: ConfigOptions) => config(store, { folder: desk.root, ...options }, QUIET);
    await expect(run({ action: "get", key: "user.name" })).rejects.toMatchObject({
      code: "CONFIG_NOT_FOUND",
    });
    const set = await run({ action: "set", key: "user.name", value: "Ada" });
    expect(set).toMatchObject({
      file: join(store.path, "config.json"),
      entries: [{ key: "user.name", value: "Ada", origin: "store" }],
    });
    await run({ action: "set", key: "checkout.symlinks", value: "safe", layer: "worktree" });
    const listed = await run({ action: "list", environment: { SMC_LOG: "debug" } });
    expect(listed.entries.map(({ key, value, origin }) => `${key}=${value} ${origin}`)).toEqual([
      "catalog.privateHosts=null default",
      "checkout.symlinks=safe worktree",
      "daemon.idleMinutes=15 default",
      "init.defaultBranch=main default",
      "jobs.outputMiB=0 default",
      "jobs.slots=1 default",
      "layout.folder=data/models default",
      "links.dropbox=https://www.dropbox.com default",
      "links.gdrive=https://drive.google.com default",
      "links.gibMax=100 default",
      "links.github=https://api.github.com default",
      "log.level=debug environment",
      "metrics.lower=null default",
      "name.pattern={model_type}_{version}_{date}.pt default",
      "names.allowNonportable=false default",
      "names.caseConflicts=refuse default",
      "network.metadataHosts=null default",
      "repack.idleMinutes=2 default",
      "scrub.days=30 default",
      "scrub.mibPerSecond=20 default",
      "serve.freeGiB=1 default",
      "serve.protectedBranches=main default",
      "serve.quotaGiB=0 default",
      "user.email=null default",
      "user.name=Ada store",
    ]);
    expect(await run({ action: "get", key: "init.defaultBranch" })).toMatchObject({
      entries: [{ value: "main" }],
    });
    await run({ action: "unset", key: "user.name" });
    await expect(run({ action: "unset", key: "user.name" })).rejects.toMatchObject({
      code: "CONFIG_NOT_FOUND",
    });
    await expect(run({ action: "set", key: "user.nam", value: "x" })).rejects.toMatchObject({
      code: "CONFIG_INVALID",
      hint: "did you mean: user.name",
    });
    await expect(run({ action: "set", key: "remote.cmd", value: "x" })).rejects.toMatchObject({
      code: "CONFIG_INVALID",
    });
    await expect(
      run({ action: "set", key: "user.name", value: "x", layer: "worktree" }),
    ).rejects.toMatchObject({ code: "CONFIG_INVALID" });
    await expect(run({ action: "set", key: "daemon.idleMinutes", value: "-1" })).rejects.toMatchObject({
      code: "CONFIG_INVALID",
    });
    await expect(run({ action: "get" })).rejects.toMatchObject({ code: "ARGUMENT_INVALID" });
    await expect(
      config(store, { action: "set", key: "checkout.symlinks", value: "safe", layer: "worktree" }, QUIET),
    ).rejects.toMatchObject({
      code: "WORKTREE_NOT_FOUND",
    });
  });
});
