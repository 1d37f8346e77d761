/**
 * Servers that speak S3: minio and versitygw, built from the modules of Go's proxy at the versions below, and
 * s3rver of npm, which ignores conditions. Caches of the build are removed when it is done: they are twenty
 * times as large as the programs.
 */
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** Below .engines/. */
export const SERVERS = "servers";

const GO = {
  versitygw: "github.com/versity/versitygw/cmd/versitygw@v1.8.0",
  // The last commit; minio has no versions that Go knows, and is not maintained any more.
  minio: "github.com/minio/minio@v0.0.0-20260212201848-7aac2a2c5b7c",
};
const S3RVER = "s3rver@3.7.1";

function buildGo(servers, { run, timed }) {
  const caches = join(servers, "go");
  const env = {
    GOBIN: join(servers, "bin"),
    GOCACHE: join(caches, "build"),
    GOMODCACHE: join(caches, "modules"),
    GOFLAGS: `${process.env.GOFLAGS ?? ""} -modcacherw`.trim(),
  };
  for (const [name, module] of Object.entries(GO)) {
    timed(name, () => run("go", ["install", "-ldflags=-s -w", module], { env, cwd: servers }));
  }
  rmSync(caches, { recursive: true });
}

/** Quick when nothing changed. */
export function installServers({ folder, run, has, say, fail, timed }) {
  const servers = join(folder, SERVERS);
  const record = join(servers, "installed");
  const stamp = createHash("sha256")
    .update(readFileSync(import.meta.filename))
    .update(`${process.platform} ${process.arch}`)
    .digest("hex");
  if (existsSync(record) && readFileSync(record, "utf8") === stamp) return say("servers already installed");
  if (!has("go", ["version"])) {
    fail("needs go 1.24 or newer on the PATH to build minio and versitygw: https://go.dev/dl");
  }
  rmSync(servers, { recursive: true, force: true });
  mkdirSync(servers);
  writeFileSync(join(servers, "package.json"), "{}");
  timed("s3rver", () => {
    const quiet = ["--ignore-scripts", "--no-audit", "--no-fund", "--no-package-lock"];
    run("npm", ["install", ...quiet, S3RVER], { cwd: servers });
  });
  buildGo(servers, { run, timed });
  writeFileSync(record, stamp);
}
