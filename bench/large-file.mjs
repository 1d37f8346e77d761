/** How fast is one new incompressible file committed and checked out again, beside cp, Git LFS and restic? */
import { createHash, randomFillSync } from "node:crypto";
import { copyFileSync, readdirSync, rmSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { installPeers, isInstalled, Lab, median, MIB, seconds, spread, writeRandom } from "./lab.mjs";
import { folderBytes } from "./sizes.mjs";

const NAME = "weights.bin";

function smcRound(lab, source, round) {
  const target = join(lab.work, NAME);
  rmSync(target, { force: true });
  lab.smc("checkout", "-q", "start");
  copyFileSync(source, target);
  lab.settle();
  const commit = lab.time(() => {
    lab.smc("add", NAME);
    lab.smc("commit", "-q", "-m", `round ${round}`);
  });
  lab.smc("tag", `big${round}`);
  lab.smc("checkout", "-q", "start");
  lab.settle();
  return { commit, checkout: lab.timeSmc("checkout", "-q", `big${round}`) };
}

function cpRound(lab, source) {
  const target = join(lab.folder("cp"), NAME);
  rmSync(target, { force: true });
  lab.settle();
  const commit = lab.time(() => {
    lab.run("cp", [source, target]);
    lab.run("sync", [target]);
  });
  return { commit };
}

function gitRound(lab, source, round) {
  const cwd = lab.folder(`git${round}`);
  const git = (...words) => lab.run("git", words, cwd);
  git("init", "-q");
  git("lfs", "install", "--local");
  git("lfs", "track", "*.bin");
  git("add", ".gitattributes");
  git("commit", "-q", "-m", "start");
  git("tag", "start");
  copyFileSync(source, join(cwd, NAME));
  lab.settle();
  const commit = lab.time("git", ["add", NAME], cwd);
  git("commit", "-q", "-m", "big");
  git("tag", "big");
  git("checkout", "-q", "start");
  lab.settle();
  const checkout = lab.time("git", ["checkout", "-q", "big"], cwd);
  rmSync(cwd, { recursive: true });
  return { commit, checkout };
}

function resticRound(lab, source, round) {
  const repository = join(lab.root, `restic${round}`);
  const restic = (...words) => ["-q", "-r", repository, ...words];
  lab.run("restic", restic("init"));
  const target = lab.folder("restored");
  rmSync(target, { recursive: true });
  lab.settle();
  const commit = lab.time("restic", restic("backup", "--compression", "off", source));
  lab.settle();
  const checkout = lab.time("restic", restic("restore", "latest", "--target", target));
  rmSync(repository, { recursive: true });
  return { commit, checkout };
}

/** MB/s at which one core computes SHA-256. */
function hashRate() {
  const bytes = randomFillSync(Buffer.alloc(64 * MIB));
  const start = performance.now();
  for (let round = 0; round < 8; round++) createHash("sha256").update(bytes).digest();
  return (8 * bytes.length) / (performance.now() - start) / 1000;
}

/** Every byte of the store, beside what the disk gives and what the cores can hash. */
function checkAll(lab) {
  const packs = join(lab.env.SMC_HOME, "packs");
  const bytes = folderBytes(packs);
  const rate = (taken) => bytes / taken / 1e6;
  lab.settle();
  const disk = lab.time(() => {
    for (const entry of readdirSync(packs, { recursive: true, withFileTypes: true })) {
      if (!entry.isFile()) continue;
      const path = join(entry.parentPath, entry.name);
      lab.run("dd", [`if=${path}`, "of=/dev/null", "bs=4M", "iflag=direct", "status=none"]);
    }
  });
  const check = lab.timeSmc("fsck", "--full");
  const cores = hashRate() * availableParallelism();
  const share = (of) => (rate(check) / of).toFixed(2);
  return [
    [`fsck --full of ${Math.round(bytes / MIB)} MiB`, seconds(check), `${Math.round(rate(check))} MB/s`],
    ["the disk's reading", seconds(disk), `${Math.round(rate(disk))} MB/s; fsck is ${share(rate(disk))} ×`],
    ["SHA-256 of all cores", "", `${Math.round(cores)} MB/s; fsck is ${share(cores)} ×`],
  ];
}

/** `sizeMib` of random bytes, new in each round; the programs take turns within a round. */
export function run({ rounds, sizeMib }) {
  installPeers(["git-lfs", "restic"]);
  const lab = new Lab();
  try {
    lab.smc("init");
    writeRandom(join(lab.work, "small.txt"), 100);
    lab.smc("add", ".");
    lab.smc("commit", "-q", "-m", "start");
    lab.smc("tag", "start");
    const contenders = new Map([
      ["smc", smcRound],
      ["cp + sync", cpRound],
    ]);
    if (isInstalled("git-lfs")) contenders.set("git lfs", gitRound);
    if (isInstalled("restic")) contenders.set("restic, no compression", resticRound);
    const times = new Map([...contenders.keys()].map((name) => [name, { commit: [], checkout: [] }]));
    const source = join(lab.folder("source"), NAME);
    for (let round = 1; round <= rounds; round++) {
      writeRandom(source, sizeMib * MIB);
      for (const [name, measure] of contenders) {
        const { commit, checkout } = measure(lab, source, round);
        times.get(name).commit.push(commit);
        if (checkout !== undefined) times.get(name).checkout.push(checkout);
      }
    }
    const peak = lab.memoryPeakMib(lab.daemonPid());
    const stop = lab.loopDelayMaxMs();
    return {
      title: `One new file of ${sizeMib} MiB of random bytes, ${rounds} rounds`,
      rows: [
        ...report(times, peak, sizeMib),
        ["longest stop of the daemon's event loop", `${stop} ms`, "at most 50 ms"],
        ...checkAll(lab),
      ],
    };
  } finally {
    lab.close();
  }
}

function report(times, peakMib, sizeMib) {
  const rows = [];
  for (const what of ["commit", "checkout"]) {
    const own = median(times.get("smc")[what]);
    for (const [name, { [what]: values }] of times) {
      if (values.length === 0) continue;
      const middle = median(values);
      const ratio =
        name === "smc" ? `${Math.round(sizeMib / middle)} MiB/s` : `smc is ${(middle / own).toFixed(2)} ×`;
      rows.push([`${what}: ${name}`, seconds(middle), `${spread(values)}; ${ratio}`]);
    }
  }
  rows.push(["memory of the daemon, peak", `${Math.round(peakMib)} MiB`, "at most 400 MiB"]);
  return rows;
}
