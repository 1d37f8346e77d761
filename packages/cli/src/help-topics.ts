/** Topics of `smc help`. Pure but for the environment that is given in. */
import { show } from "@smc/store/show";
import { formatTable } from "./format.ts";
import { startHelp } from "./help-text.ts";

export const TOPICS = {
  start: "the verbs to begin with",
  workflows: "the usual ways to work",
  revisions: "how to name a commit, a file, a range",
  "exit-codes": "what each exit status means",
  environment: "variables that smc reads, with their values",
  config: "settings, and where they come from",
  remotes: "other places that hold a repository",
} as const;
export type Topic = keyof typeof TOPICS;

const EXIT_CODES: readonly (readonly [string, string])[] = [
  ["0", "done"],
  ["1", 'the answer is "no": differences with --exit-code, nothing to commit, doctor found something'],
  ["2", "usage, or an invalid value"],
  ["3", "not found: store, repository, revision, path"],
  ["4", "integrity: bytes are not what their digest says"],
  ["5", "refused: conflict, would overwrite, not a fast-forward, unsafe"],
  ["6", "remote or network"],
  ["7", "authentication or permission"],
  ["8", "confirmation declined or impossible"],
  ["9", "the daemon is unreachable, incompatible or busy"],
  ["10", "a job failed"],
  ["11", "local I/O: disk full, permission denied, read-only"],
  ["70", "a bug of smc"],
  ["130", "interrupted (Ctrl-C)"],
  ["141", "the reader of the output went away"],
];

/** Variables that smc reads. */
export const ENVIRONMENT: readonly (readonly [string, string])[] = [
  ["SMC_HOME", "folder of the store (default ~/.smc)"],
  ["SMC_AUTHOR", 'who commits, as "Name <address>"'],
  ["SMC_PROGRESS", "none, plain or fancy"],
  ["SMC_DAEMON_IDLE_MINUTES", "when an idle daemon leaves; 0: never"],
  ["SMC_LOG", "how much the daemon logs: error, warn, info, debug"],
  ["NO_COLOR", "any value: print without colours"],
  ["TERM", "dumb: no colours, no progress bar"],
];

const REVISIONS: readonly (readonly [string, string])[] = [
  ["3f1c9ab", "a digest, or at least 7 of its first digits"],
  ["bafyrei…", "a CIDv1"],
  ["main", "a branch"],
  ["v1.0.0, 1.0.0", 'a tag; the "v" may be left out'],
  ["champion", "refs/registry/champion"],
  ["HEAD, @", "what is checked out"],
  ["HEAD~2", "two commits before, along first parents"],
  ["A^, A^2", "first parent, second parent of a merge"],
  ["main@{1}", "where main was one change ago"],
  ["main@{2026-01-15}", "where main was at that moment"],
  ["@{-1}, @{-2}", 'the branch that was left last, the one before; "-" in checkout and switch'],
  [":/text", "the newest commit with this text in its message"],
  ["origin/main", "refs/remotes/origin/main"],
  ["A..B", "commits of B that A does not have"],
  ["A...B", "commits of one of them; for diff: since they parted"],
  ["v1.0.0:weights/best.pt", "a file or folder of a revision"],
];

/** Every setting; the reference page tells more of each. */
const CONFIG: readonly (readonly [string, string])[] = [
  ["user.name", "who commits"],
  ["user.email", "and the address"],
  ["init.defaultBranch", 'first branch of a new repository ("main")'],
  ["layout.folder", 'folder with trained/, backups/, active/ … ("data/models")'],
  ["name.pattern", "what model files below that folder should be called; empty: as they like"],
  ["metrics.lower", "further metrics that are better when lower: rank_*, bias"],
  ["catalog.privateHosts", "hosts of private networks that models may be downloaded from"],
  ["network.metadataHosts", "hosts of remotes and hooks at which machines are told their keys"],
  ["links.github", "API of github-release:// (https://api.github.com)"],
  ["links.gdrive", "where gdrive:// leads (https://drive.google.com)"],
  ["links.dropbox", "where dropbox:// leads (https://www.dropbox.com)"],
  ["links.gibMax", "GiB that a file behind a link may have (100)"],
  ["checkout.symlinks", '"never" or "safe"'],
  ["names.allowNonportable", "take file names that other systems cannot hold"],
  ["names.caseConflicts", '"refuse" or "allow" refs that differ only by case'],
  ["jobs.outputMiB", "MiB that a job may commit; 0: no limit (0)"],
  ["jobs.slots", "jobs that run at the same time (1)"],
  ["daemon.idleMinutes", "when an idle daemon leaves (15)"],
  ["repack.idleMinutes", "when an idle daemon stores what is there in less space (2)"],
  ["scrub.days", "the daemon reads everything again within so many days (30); 0: never"],
  ["scrub.mibPerSecond", "and so much in a second for it (20)"],
  ["serve.protectedBranches", 'branches that a push to this machine does not rewrite ("main")'],
  ["serve.quotaGiB", "what the store may take before pushes to it are refused (0: no limit)"],
  ["serve.freeGiB", "what a push to it leaves free on the disk (1)"],
  ["log.level", "error, warn, info, debug"],
];

const WORKFLOWS = [
  "First version:",
  "  smc init",
  "  smc add weights/",
  '  smc commit -m "first release" --metric acc=0.91 --param lr=0.001',
  "  smc tag v1.0.0",
  "",
  "Next version, and what changed:",
  '  smc commit -am "second release" --metric acc=0.93',
  "  smc tag --bump minor",
  "  smc diff v1.0.0 v1.1.0",
  "",
  "Back to an old one:",
  "  smc checkout v1.0.0",
  "  smc switch main",
  "",
  "Which one is live, and one step back:",
  "  smc compare v1.0.0 v1.1.0",
  '  smc promote v1.1.0 --require "acc >= champion.acc" --reason "better on all"',
  "  smc champion",
  '  smc rollback --reason "errors in production"',
  "",
  "Files of an application that knows nothing of smc:",
  "  smc backup best.pt",
  "  smc activate v1.1.0:weights/best.pt",
  "",
  "Try something:",
  "  smc switch -c experiment",
  '  smc commit -am "larger head"',
  "  smc switch main && smc merge experiment",
  "",
  "Is everything still what was committed?",
  "  smc fsck --full",
  "  smc fsck --repair",
  "",
  "Who moved it?",
  "  smc audit --ref main",
  "",
  "With others:",
  "  smc remote add origin file:///mnt/nas/model",
  "  smc push",
  "  smc clone file:///mnt/nas/model",
  "  smc pull",
  "",
  "Clean up:",
  "  smc gc -n",
  "  smc gc",
  "  smc undelete",
];

const REMOTES: readonly (readonly [string, string])[] = [
  ["file:///mnt/nas/model", "a folder that several machines see: a NAS, a mounted disk"],
  ["s3://bucket/model", "a bucket of Amazon S3, with the region of ~/.aws/config"],
  ["s3://bucket/model?endpoint=https://minio.lan:9000", "a bucket of another server that speaks S3"],
  ["s3://bucket/model?region=eu-central-1", "a bucket in a region"],
  ["https://models.lan:7433/team/model", 'a server of smc, with the token of "smc login"'],
];

function rows(table: readonly (readonly [string, string])[]): string[] {
  return formatTable(table.map(([name, says]) => [`  ${name}`, says]));
}

const REMOTES_PAGE: readonly string[] = [
  "One URL is one repository:",
  "",
  ...rows(REMOTES),
  "",
  "URLs hold no passwords and no keys: those of buckets are read from ~/.aws/credentials, tokens for servers are kept",
  'by "smc login". Plain http goes to this machine only.',
  "What is sent is compared with its digest where it arrives, and again when it",
  "is fetched. Branches of a remote are kept as REMOTE/BRANCH: origin/main. A push moves all its refs or none, and",
  "a branch only forward, unless it is forced. Run a push or fetch that was interrupted again: it goes on.",
  "",
  "Examples:",
  "  smc remote add origin file:///mnt/nas/model",
  "  smc push origin main v1.0.0",
  "  smc clone file:///mnt/nas/model",
  "  smc login https://models.lan:7433 && smc clone https://models.lan:7433/team/model",
  "  smc fetch && smc log main..origin/main",
  "  smc bundle create model.car --all",
  "  smc bundle import model.car",
];

/** The lines of a topic. */
export function topicHelp(
  topic: Topic,
  env: Readonly<Record<string, string | undefined>>,
): readonly string[] {
  switch (topic) {
    case "start":
      return startHelp();
    case "workflows":
      return WORKFLOWS;
    case "revisions":
      return [
        "Every verb that takes a revision understands:",
        "",
        ...rows(REVISIONS),
        "",
        "Examples:",
        "  smc log v1.0.0..main",
        "  smc diff HEAD~1 HEAD",
        "  smc cat v1.0.0:config.json",
      ];
    case "exit-codes":
      return [
        "Exit status:",
        "",
        ...rows(EXIT_CODES),
        "",
        "Examples:",
        '  smc diff --exit-code || echo "it differs"',
      ];
    case "environment": {
      const table = ENVIRONMENT.map(([name, says]) => {
        const value = env[name];
        return [`  ${name}`, value === undefined ? "(not set)" : show(value, 80), says];
      });
      return [
        "Variables, their values now, and what they do:",
        "",
        ...formatTable(table),
        "",
        "Examples:",
        "  SMC_HOME=/data/smc smc repos",
      ];
    }
    case "remotes":
      return REMOTES_PAGE;
    case "config":
      return [
        "A setting comes from the first place that has it: command line, environment,",
        "the worktree (.smc/config.json), the store (config.json), the default.",
        "",
        ...rows(CONFIG),
        "",
        "Examples:",
        '  smc config set user.name "Ada Lovelace"',
        "  smc config list --show-origin",
      ];
  }
}

export function isTopic(word: string): word is Topic {
  return Object.hasOwn(TOPICS, word);
}
