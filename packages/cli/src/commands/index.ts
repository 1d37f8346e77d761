/** Every verb of the command line. Only the module of the one that runs is loaded. */
import type { Command } from "../command.ts";

export type Group =
  | "start"
  | "snapshots"
  | "history"
  | "versions"
  | "branches"
  | "registry"
  | "training"
  | "sharing"
  | "backups"
  | "plumbing"
  | "care"
  | "help";

export const GROUPS: Readonly<Record<Group, string>> = {
  start: "Start",
  snapshots: "Snapshots",
  history: "History",
  versions: "Versions and what is known of them",
  branches: "Branches and tags",
  registry: "Champion and challenger",
  training: "Training",
  sharing: "Sharing",
  backups: "Backups and folders of files",
  plumbing: "Plumbing, for scripts",
  care: "Store and daemon",
  help: "Help",
};

interface CommandRow {
  readonly group: Group;
  readonly summary: string;
  readonly load: () => Promise<{ readonly command: Command }>;
}

/** Verb → row, in the order in which help lists them. */
export const COMMANDS = {
  init: { group: "start", summary: "make a folder a worktree", load: () => import("./init.ts") },
  config: { group: "start", summary: "read and change settings", load: () => import("./config.ts") },
  add: { group: "snapshots", summary: "stage files for the next commit", load: () => import("./add.ts") },
  rm: { group: "snapshots", summary: "remove files and stage that", load: () => import("./rm.ts") },
  mv: { group: "snapshots", summary: "move or rename a file and stage that", load: () => import("./mv.ts") },
  status: { group: "snapshots", summary: "show what differs from HEAD", load: () => import("./status.ts") },
  commit: { group: "snapshots", summary: "keep what is staged", load: () => import("./commit.ts") },
  restore: { group: "snapshots", summary: "bring files back", load: () => import("./restore.ts") },
  reset: {
    group: "snapshots",
    summary: "move the branch or empty the stage",
    load: () => import("./reset.ts"),
  },
  checkout: {
    group: "snapshots",
    summary: "put a revision into the folder",
    load: () => import("./checkout.ts"),
  },
  log: { group: "history", summary: "list commits", load: () => import("./log.ts") },
  show: { group: "history", summary: "show a commit, tag, folder or file", load: () => import("./show.ts") },
  diff: { group: "history", summary: "compare files, metrics and params", load: () => import("./diff.ts") },
  cat: { group: "history", summary: "write a file's bytes to stdout", load: () => import("./cat.ts") },
  inspect: {
    group: "history",
    summary: "tell what a file of weights holds",
    load: () => import("./inspect.ts"),
  },
  audit: { group: "history", summary: "list what was done and by whom", load: () => import("./audit.ts") },
  events: {
    group: "history",
    summary: "tell what happens, as it happens",
    load: () => import("./events.ts"),
  },
  reflog: { group: "history", summary: "list where a ref has been", load: () => import("./reflog.ts") },
  revert: { group: "history", summary: "commit the undoing of a commit", load: () => import("./revert.ts") },
  versions: { group: "versions", summary: "list versions", load: () => import("./versions.ts") },
  compare: {
    group: "versions",
    summary: "compare versions side by side",
    load: () => import("./compare.ts"),
  },
  rank: { group: "versions", summary: "order versions by metrics", load: () => import("./rank.ts") },
  changelog: {
    group: "versions",
    summary: "tell what each version brought",
    load: () => import("./changelog.ts"),
  },
  note: { group: "versions", summary: "write down what is learned later", load: () => import("./note.ts") },
  meta: {
    group: "versions",
    summary: "tell and set what is known of a version",
    load: () => import("./meta.ts"),
  },
  registry: {
    group: "versions",
    summary: "sum up, export and import all versions",
    load: () => import("./registry.ts"),
  },
  branch: {
    group: "branches",
    summary: "list, make, rename, delete branches",
    load: () => import("./branch.ts"),
  },
  switch: { group: "branches", summary: "go to a branch", load: () => import("./switch.ts") },
  merge: {
    group: "branches",
    summary: "join another branch into this one",
    load: () => import("./merge.ts"),
  },
  tag: { group: "branches", summary: "list, make, delete tags", load: () => import("./tag.ts") },
  champion: {
    group: "registry",
    summary: "show which version is live",
    load: () => import("./champion.ts"),
  },
  challenger: {
    group: "registry",
    summary: "show or name the candidate",
    load: () => import("./challenger.ts"),
  },
  promote: {
    group: "registry",
    summary: "make a version the champion",
    load: () => import("./promote.ts"),
  },
  rollback: {
    group: "registry",
    summary: "make the champion before champion again",
    load: () => import("./rollback.ts"),
  },
  archive: {
    group: "registry",
    summary: "keep a version that is out of use",
    load: () => import("./archive.ts"),
  },
  unarchive: {
    group: "registry",
    summary: "make an archived version a candidate again",
    load: () => import("./unarchive.ts"),
  },
  layout: {
    group: "registry",
    summary: "write champion, challenger, archive as folders",
    load: () => import("./layout.ts"),
  },
  ref: {
    group: "registry",
    summary: "protect refs from being lost",
    load: () => import("./ref.ts"),
  },
  clone: {
    group: "sharing",
    summary: "make a folder of what a remote holds",
    load: () => import("./clone.ts"),
  },
  login: { group: "sharing", summary: "keep a token for a server", load: () => import("./login.ts") },
  logout: { group: "sharing", summary: "forget the token for a server", load: () => import("./logout.ts") },
  remote: { group: "sharing", summary: "list, add, change remotes", load: () => import("./remote.ts") },
  fetch: {
    group: "sharing",
    summary: "bring what a remote has into the store",
    load: () => import("./fetch.ts"),
  },
  pull: { group: "sharing", summary: "fetch, and move the branch forward", load: () => import("./pull.ts") },
  push: { group: "sharing", summary: "send branches and tags to a remote", load: () => import("./push.ts") },
  sync: {
    group: "sharing",
    summary: "bring what is new both ways, or mirror",
    load: () => import("./sync.ts"),
  },
  outdated: {
    group: "sharing",
    summary: "tell what is different on the remotes",
    load: () => import("./outdated.ts"),
  },
  "ls-remote": {
    group: "sharing",
    summary: "list the refs of a remote",
    load: () => import("./ls-remote.ts"),
  },
  bundle: {
    group: "sharing",
    summary: "one file of branches and tags, for a stick",
    load: () => import("./bundle.ts"),
  },
  import: {
    group: "sharing",
    summary: "bring in what DVC, Git LFS or a folder kept",
    load: () => import("./import.ts"),
  },
  name: {
    group: "backups",
    summary: "suggest and check names of model files",
    load: () => import("./name.ts"),
  },
  data: {
    group: "training",
    summary: "name, check and look at data sets",
    load: () => import("./data.ts"),
  },
  backbone: {
    group: "training",
    summary: "choose, look at and compare networks",
    load: () => import("./backbone.ts"),
  },
  train: {
    group: "training",
    summary: "run a program, commit what it makes",
    load: () => import("./train.ts"),
  },
  eval: {
    group: "training",
    summary: "measure a version on data and note it",
    load: () => import("./eval.ts"),
  },
  export: {
    group: "training",
    summary: "write a trained model as ONNX and TF.js",
    load: () => import("./export.ts"),
  },
  jobs: { group: "training", summary: "list, watch and end jobs", load: () => import("./jobs.ts") },
  queue: { group: "training", summary: "show and stop the queue of jobs", load: () => import("./queue.ts") },
  setup: { group: "backups", summary: "make folders for model files", load: () => import("./setup.ts") },
  list: { group: "backups", summary: "list the files in these folders", load: () => import("./list.ts") },
  upload: { group: "backups", summary: "send a file to a remote", load: () => import("./upload.ts") },
  download: {
    group: "backups",
    summary: "bring an uploaded file",
    load: () => import("./download.ts"),
  },
  catalog: {
    group: "backups",
    summary: "models of the web: add, list, download",
    load: () => import("./catalog.ts"),
  },
  backup: {
    group: "backups",
    summary: "copy a file, a version or the store",
    load: () => import("./backup.ts"),
  },
  "restore-backup": {
    group: "backups",
    summary: "verify a backup and bring it back",
    load: () => import("./restore-backup.ts"),
  },
  activate: {
    group: "backups",
    summary: "make a file the active one, the old one backed up",
    load: () => import("./activate.ts"),
  },
  backups: { group: "backups", summary: "list, verify, remove backups", load: () => import("./backups.ts") },
  "ls-files": { group: "plumbing", summary: "list staged files", load: () => import("./ls-files.ts") },
  "ls-tree": {
    group: "plumbing",
    summary: "list a folder of a revision",
    load: () => import("./ls-tree.ts"),
  },
  "rev-parse": { group: "plumbing", summary: "name → digest", load: () => import("./rev-parse.ts") },
  "cat-file": { group: "plumbing", summary: "show an object as it is", load: () => import("./cat-file.ts") },
  "hash-object": { group: "plumbing", summary: "SHA-256 of files", load: () => import("./hash-object.ts") },
  refs: { group: "plumbing", summary: "list refs", load: () => import("./refs.ts") },
  du: { group: "care", summary: "measure what versions take on disk", load: () => import("./du.ts") },
  repos: { group: "care", summary: "list repositories of the store", load: () => import("./repos.ts") },
  gc: { group: "care", summary: "take away what nothing needs", load: () => import("./gc.ts") },
  undelete: { group: "care", summary: "bring back what gc took away", load: () => import("./undelete.ts") },
  repack: { group: "care", summary: "store what is there in less space", load: () => import("./repack.ts") },
  fsck: { group: "care", summary: "check the store", load: () => import("./fsck.ts") },
  verify: { group: "care", summary: "prove that a version is whole", load: () => import("./verify.ts") },
  doctor: { group: "care", summary: "look for problems of this machine", load: () => import("./doctor.ts") },
  hook: {
    group: "care",
    summary: "have a server or a program told of events",
    load: () => import("./hook.ts"),
  },
  daemon: { group: "care", summary: "start, stop and watch the daemon", load: () => import("./daemon.ts") },
  token: { group: "sharing", summary: "let other machines use this store", load: () => import("./token.ts") },
  env: { group: "help", summary: "print what to paste in a report", load: () => import("./env.ts") },
  completion: { group: "help", summary: "print a completion script", load: () => import("./completion.ts") },
  help: { group: "help", summary: "explain a verb or a topic", load: () => import("./help.ts") },
  version: { group: "help", summary: "print the version", load: () => import("./version.ts") },
} as const satisfies Record<string, CommandRow>;

export type CommandName = keyof typeof COMMANDS;

export function isCommandName(word: string): word is CommandName {
  return Object.hasOwn(COMMANDS, word);
}

/** The command of a verb. */
export async function loadCommand(name: CommandName): Promise<Command> {
  const row: CommandRow = COMMANDS[name];
  return (await row.load()).command;
}
