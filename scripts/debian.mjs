/** Debian's packages without being root: fetched with apt and unpacked into a folder; nothing is installed. */
import { spawnSync } from "node:child_process";
import { mkdirSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";

function run(command, args, cwd) {
  const { status, stdout, stderr, error } = spawnSync(command, args, { cwd, encoding: "utf8" });
  if (status !== 0) throw new Error(`"${command} ${args[0]}" failed: ${error?.message ?? stderr}`);
  return stdout;
}

/** `choose` gets a function that runs apt-get and returns its output, and returns names of packages. */
export function unpackDebian(folder, choose) {
  const apt = join(folder, "apt");
  const unpacked = join(folder, "debian");
  for (const part of ["lists/partial", "cache/archives/partial"])
    mkdirSync(join(apt, part), { recursive: true });
  mkdirSync(unpacked, { recursive: true });
  const own = [
    `Dir::State::lists=${join(apt, "lists")}`,
    `Dir::Cache=${join(apt, "cache")}`,
    "Debug::NoLocking=true",
    "APT::Sandbox::User=",
  ].flatMap((option) => ["-o", option]);
  // One source that does not answer is no harm while the packages can be had.
  spawnSync("apt-get", [...own, "--quiet", "update"], { stdio: "ignore" });
  const names = choose((...words) => run("apt-get", [...own, "--quiet", ...words]));
  run("apt-get", [...own, "--quiet", "download", ...names], join(apt, "cache"));
  for (const name of readdirSync(join(apt, "cache")).filter((each) => each.endsWith(".deb")))
    run("dpkg-deb", ["--extract", join(apt, "cache", name), unpacked]);
  rmSync(apt, { recursive: true });
  return unpacked;
}
