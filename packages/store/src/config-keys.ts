/** Every setting there is: one table. */
import type { ConfigValue } from "./config-text.ts";
import { NAME_PATTERN } from "./layout/name-pattern.ts";

export interface ConfigKey {
  readonly name: string;
  readonly description: string;
  readonly default: ConfigValue | null;
  readonly type: "text" | "boolean" | "integer" | "choice";
  /** For choices. */
  readonly values?: readonly string[];
  /** For integers. */
  readonly min?: number;
  readonly max?: number;
  /** Wins over every file. */
  readonly environment?: string;
  /** True when `.smc/config.json` of a worktree may set it: it names no program and no person. */
  readonly worktree: boolean;
  readonly secret?: boolean;
}

/** Every key there is. */
export const CONFIG_KEYS: readonly ConfigKey[] = [
  {
    name: "catalog.privateHosts",
    description:
      "Hosts of this machine and of private networks that models may be downloaded from: models.lan, 10.0.0.5",
    default: null,
    type: "text",
    worktree: false,
  },
  {
    name: "checkout.symlinks",
    description: "Make symbolic links at checkout: never, or safe (relative, and inside the worktree)",
    default: "never",
    type: "choice",
    values: ["never", "safe"],
    worktree: true,
  },
  {
    name: "daemon.idleMinutes",
    description: "Minutes without work after which the daemon leaves; 0 means it stays",
    default: 15,
    type: "integer",
    min: 0,
    max: 525_600,
    environment: "SMC_DAEMON_IDLE_MINUTES",
    worktree: false,
  },
  {
    name: "init.defaultBranch",
    description: "Name of the first branch of a new repository",
    default: "main",
    type: "text",
    worktree: false,
  },
  {
    name: "jobs.outputMiB",
    description: "MiB that the files of a job may have together to be committed; 0 is no limit",
    default: 0,
    type: "integer",
    min: 0,
    max: 1_000_000_000,
    worktree: false,
  },
  {
    name: "jobs.slots",
    description: "Jobs that run at the same time",
    default: 1,
    type: "integer",
    min: 1,
    max: 64,
    worktree: false,
  },
  {
    name: "layout.folder",
    description: "Folder with trained/, cloud/, backups/, active/ and downloads/, below the worktree",
    default: "data/models",
    type: "text",
    worktree: true,
  },
  {
    name: "links.dropbox",
    description: "Where dropbox:// links lead to",
    default: "https://www.dropbox.com",
    type: "text",
    worktree: false,
  },
  {
    name: "links.gdrive",
    description: "Where gdrive:// links lead to",
    default: "https://drive.google.com",
    type: "text",
    worktree: false,
  },
  {
    name: "links.gibMax",
    description: "GiB that a file behind a link may have to be downloaded",
    default: 100,
    type: "integer",
    min: 1,
    max: 1_000_000,
    worktree: false,
  },
  {
    name: "links.github",
    description: "The API that github-release:// links ask; of GitHub Enterprise: https://HOST/api/v3",
    default: "https://api.github.com",
    type: "text",
    worktree: false,
  },
  {
    name: "log.level",
    description: "What the daemon writes to its log",
    default: "info",
    type: "choice",
    values: ["error", "warn", "info", "debug"],
    environment: "SMC_LOG",
    worktree: false,
  },
  {
    name: "metrics.lower",
    description: "Metrics that are better when lower, besides losses, errors and times: rank_*, bias",
    default: null,
    type: "text",
    worktree: true,
  },
  {
    name: "name.pattern",
    description: "What model files below layout.folder should be called; empty: as they like",
    default: NAME_PATTERN,
    type: "text",
    worktree: true,
  },
  {
    name: "names.allowNonportable",
    description: "Accept file names that other systems cannot hold",
    default: false,
    type: "boolean",
    worktree: true,
  },
  {
    name: "names.caseConflicts",
    description: "Refs that differ only by case: refuse or allow",
    default: "refuse",
    type: "choice",
    values: ["refuse", "allow"],
    worktree: false,
  },
  {
    name: "network.metadataHosts",
    description:
      "Hosts that remotes and hooks may be at although machines are told their keys there: link-local addresses",
    default: null,
    type: "text",
    worktree: false,
  },
  {
    name: "repack.idleMinutes",
    description: "Minutes without work after which the daemon repacks; 0 means never",
    default: 2,
    type: "integer",
    min: 0,
    max: 525_600,
    worktree: false,
  },
  {
    name: "scrub.days",
    description: "The daemon reads each pack again after so many days, when it is idle; 0 means never",
    default: 30,
    type: "integer",
    min: 0,
    max: 3650,
    worktree: false,
  },
  {
    name: "scrub.mibPerSecond",
    description: "MiB that it reads in a second for that, on average",
    default: 20,
    type: "integer",
    min: 1,
    max: 100_000,
    worktree: false,
  },
  {
    name: "serve.freeGiB",
    description: "GiB that a push from another machine leaves free on the disk, and at least 2 % of it",
    default: 1,
    type: "integer",
    min: 0,
    max: 1_000_000,
    worktree: false,
  },
  {
    name: "serve.protectedBranches",
    description: "Branches that a push from another machine neither rewrites nor removes: main, release/*",
    default: "main",
    type: "text",
    worktree: false,
  },
  {
    name: "serve.quotaGiB",
    description:
      "GiB that the packs of this store may take before pushes from other machines are refused; 0 is no limit",
    default: 0,
    type: "integer",
    min: 0,
    max: 1_000_000,
    worktree: false,
  },
  {
    name: "user.email",
    description: "E-mail address written into commits and tags",
    default: null,
    type: "text",
    environment: "SMC_AUTHOR",
    worktree: false,
  },
  {
    name: "user.name",
    description: "Name written into commits and tags",
    default: null,
    type: "text",
    environment: "SMC_AUTHOR",
    worktree: false,
  },
];
