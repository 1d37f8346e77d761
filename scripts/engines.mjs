/**
 * Installs into .engines/ what the tests in test/engines are run against, and nothing outside of it: servers of S3 (see
 * s3-servers.mjs), and Python libraries that write files: a virtual environment with test/engines/requirements.txt, and
 * torch. Debian's torch is unpacked where there is one: it is a ninth of what the package of PyPI brings with CUDA (630
 * MB and 25 s against 5.4 GB and 90 s). `--torch=pip`, and any other system, takes that of PyPI. And DVC, which keeps
 * histories to import. And `ip`, which makes networks for two
 * hosts, as ip.mjs says. Quick when nothing changed. Fails when anything cannot be had.
 */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { unpackDebian } from "./debian.mjs";
import { installServers, SERVERS } from "./s3-servers.mjs";

const root = join(import.meta.dirname, "..");
const folder = join(root, ".engines");
const record = join(folder, "engines.json");
const requirements = join(root, "test", "engines", "requirements.txt");
const isPip = process.argv.includes("--torch=pip");
const TORCH = "torch==2.15.0";
const DVC = "dvc==3.67.1";

function say(text) {
  process.stderr.write(`engines: ${text}\n`);
}

function fail(text) {
  say(text);
  process.exit(1);
}

/** Runs a program; its answer when it ends well, the end of this one otherwise. */
function run(command, args, { env = {}, cwd = folder } = {}) {
  const { status, signal, error, stdout, stderr } = spawnSync(command, args, {
    cwd,
    encoding: "utf8",
    maxBuffer: 64 * 1024 * 1024,
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, PYTHONPATH: "", PYTHONNOUSERSITE: "1", ...env },
  });
  if (status === 0) return stdout;
  process.stderr.write(`${stdout ?? ""}${stderr ?? ""}`);
  return fail(`"${command} ${args.slice(0, 6).join(" ")}" ended with ${error?.message ?? signal ?? status}`);
}

function has(command, args) {
  return spawnSync(command, args, { stdio: "ignore" }).status === 0;
}

function timed(what, install) {
  const started = Date.now();
  const result = install();
  say(`${what}: ${((Date.now() - started) / 1000).toFixed(0)} s`);
  return result;
}

/** A virtual environment with these packages. */
function environment(name, packages) {
  const path = join(folder, name);
  if (!has("python3", ["-c", "import sys; sys.exit(sys.version_info < (3, 11))"]))
    fail("needs python3, 3.11 or newer, with venv");
  run("python3", ["-m", "venv", path]);
  const command = join(path, "bin", "python");
  run(command, ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", ...packages]);
  return { command, env: { PYTHONPATH: "", PYTHONNOUSERSITE: "1" } };
}

/** True where packages of Debian can be had, and one of them is torch for the python3 of the system. */
function isDebian() {
  return existsSync("/etc/debian_version") && has("apt-get", ["--version"]) && has("dpkg-deb", ["--version"]);
}

/** Unpacks python3-torch and what it needs and the system lacks; no package is installed and nobody must be root. */
function debianTorch() {
  if (has("/usr/bin/python3", ["-c", "import torch, numpy"])) return { command: "/usr/bin/python3", env: {} };
  const unpacked = unpackDebian(folder, (apt) => {
    const uris = apt(
      "--yes",
      "--no-install-recommends",
      "--print-uris",
      "install",
      "python3",
      "python3-torch",
    );
    const names = [...uris.matchAll(/^'[^']+' ([^_\s]+)_/gm)].map(([, name]) => name);
    if (!names.includes("python3-torch")) fail("this Debian has no python3-torch; use --torch=pip");
    return names;
  });
  const triplet = run("/usr/bin/python3", ["-c", "import sys; print(sys.implementation._multiarch)"]).trim();
  const libraries = ["usr/lib", `usr/lib/${triplet}`, `usr/lib/${triplet}/blas`, `usr/lib/${triplet}/lapack`];
  const paths = [...libraries, "lib", `lib/${triplet}`].map((path) => join(unpacked, path));
  const env = {
    PYTHONPATH: join(unpacked, "usr/lib/python3/dist-packages"),
    LD_LIBRARY_PATH: paths.join(":"),
    PYTHONNOUSERSITE: "1",
  };
  return { command: "/usr/bin/python3", env };
}

function installed(stamp) {
  if (!existsSync(record)) return false;
  return JSON.parse(readFileSync(record, "utf8")).stamp === stamp;
}

const from = !isPip && isDebian() ? "Debian" : "PyPI";
const stamp = createHash("sha256")
  .update(readFileSync(import.meta.filename))
  .update(readFileSync(requirements))
  .update(`${process.platform} ${process.arch} ${from} ${root}`)
  .digest("hex");
if (installed(stamp)) {
  say("already installed");
} else {
  mkdirSync(folder, { recursive: true });
  for (const name of readdirSync(folder)) {
    if (name !== SERVERS) rmSync(join(folder, name), { recursive: true });
  }
  const files = timed("safetensors, NumPy, h5py, ONNX, GGUF, Keras", () =>
    environment("files", ["-r", requirements]),
  );
  const torch = timed(`torch of ${from}`, () =>
    from === "Debian" ? debianTorch() : environment("torch", [TORCH, "numpy"]),
  );
  const dvc = timed("DVC", () => environment("dvc", [DVC]));
  const version = run(torch.command, ["-c", "import torch, numpy; print(torch.__version__)"], {
    env: torch.env,
  });
  say(`torch ${version.trim()}`);
  writeFileSync(record, JSON.stringify({ stamp, files, torch, dvc }, undefined, 2));
}
installServers({ folder, run, has, say, fail, timed });
// A test skips what cannot be had, and says why as this does.
spawnSync(process.execPath, [join(import.meta.dirname, "ip.mjs")], {
  stdio: ["ignore", "ignore", "inherit"],
});
