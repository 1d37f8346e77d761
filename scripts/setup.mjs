/**
 * Makes a clean clone ready with only Node and npm: installs the pinned packages, then builds.
 * Quick when nothing changed. Written for old Nodes too, so that it can say that they are too old.
 */
import { spawnSync } from "child_process";
import { createHash } from "crypto";
import { existsSync, readFileSync, readdirSync, writeFileSync } from "fs";
import { dirname, join } from "path";
import { fileURLToPath } from "url";

const NODE_MIN = [20, 19];
const root = dirname(dirname(fileURLToPath(import.meta.url)));
const stamp = join(root, "node_modules", ".smc-setup");

function fail(text) {
  process.stderr.write(`setup: ${text}\n`);
  process.exit(1);
}

function assertNode() {
  const [major, minor] = process.versions.node.split(".").map(Number);
  if (major > NODE_MIN[0] || (major === NODE_MIN[0] && minor >= NODE_MIN[1])) return;
  fail(`smc needs Node ${NODE_MIN.join(".")} or newer, this is ${process.version}; see https://nodejs.org/`);
}

/** Changes when the packages to install do. */
function fingerprint() {
  const hash = createHash("sha256").update(`${process.platform} ${process.arch}\n`);
  const folders = ["packages", "examples"].flatMap((parent) =>
    readdirSync(join(root, parent))
      .sort()
      .map((name) => join(parent, name)),
  );
  const manifests = ["", "test", "bench", ...folders]
    .map((folder) => join(folder, "package.json"))
    .filter((path) => existsSync(join(root, path)));
  for (const path of ["pnpm-lock.yaml", "pnpm-workspace.yaml", ...manifests]) {
    hash.update(`${path}\n`).update(readFileSync(join(root, path)));
  }
  return hash.digest("hex");
}

function run(command, args, env) {
  const child = spawnSync(command, args, {
    cwd: root,
    stdio: ["ignore", 2, "inherit"],
    shell: process.platform === "win32",
    env: Object.assign({}, process.env, env),
  });
  if (child.error) fail(`cannot run ${command}: ${child.error.message}`);
  if (child.status !== 0) fail(`"${command} ${args.join(" ")}" ended with ${child.status || child.signal}`);
}

/** pnpm comes through npm at the version that package.json pins; install scripts of dependencies stay off. */
function install() {
  const wanted = fingerprint();
  if (existsSync(stamp) && readFileSync(stamp, "utf8") === wanted) return;
  const { packageManager } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  process.stderr.write(`setup: installing packages with ${packageManager}\n`);
  const pnpm = ["pnpm", "install", "--frozen-lockfile", "--ignore-scripts", "--reporter=append-only"];
  run("npm", ["exec", "--yes", `--package=${packageManager}`, "--"].concat(pnpm), { CI: "true" });
  writeFileSync(stamp, wanted);
}

assertNode();
install();
run(process.execPath, [join(root, "packages", "store", "scripts", "build-kernels.mjs")]);
run(process.execPath, [join(root, "node_modules", "typescript", "bin", "tsc"), "-b"]);
