/** Verbs that deal with files of people: bundles, backups, folders. A part of the table of `api.ts`. */
import { choice, flag, optional, text, texts, verb } from "./api-schema.ts";

const progress = { progress: true };

export const filesApi = {
  bundle: verb(
    "Writes refs and what they need into one file, reads and checks such files",
    "store",
    {
      action: choice("create", "verify", "list", "import"),
      file: text,
      refs: optional(texts),
      all: optional(flag),
      since: optional(texts),
      force: optional(flag),
      format: optional(choice("carv1", "carv2")),
      name: optional(text),
    },
    progress,
  ),
  import: verb(
    "Brings the history of a folder, of DVC or of Git LFS in",
    "repository",
    {
      kind: choice("folder", "dvc", "git-lfs"),
      folder: text,
      branch: optional(text),
      revision: optional(text),
      dryRun: optional(flag),
      allowMissing: optional(flag),
    },
    progress,
  ),
  name: verb("Suggests names for model files, and tells which do not fit", "store", {
    action: choice("suggest", "check"),
    names: optional(texts),
    type: optional(text),
    version: optional(text),
  }),
  setup: verb(
    "Makes the folders that model files are kept in",
    "store",
    { withDefaults: optional(flag) },
    progress,
  ),
  list: verb("Lists the files in the folders of model files", "store", {
    sort: optional(choice("name", "size", "date")),
    compare: optional(flag),
  }),
  catalog: verb(
    "Adds, lists, removes and downloads the models of smc.models.json",
    "store",
    {
      action: choice("add", "list", "rm", "pull"),
      names: optional(texts),
      all: optional(flag),
      force: optional(flag),
      url: optional(text),
      sha256: optional(text),
      md5: optional(text),
      default: optional(flag),
      description: optional(text),
    },
    progress,
  ),
  upload: verb(
    "Sends a file to a remote under a name",
    "repository",
    { file: text, name: optional(text), description: optional(text), remote: optional(text) },
    progress,
  ),
  download: verb(
    "Brings an uploaded file from a remote",
    "repository",
    { name: text, destination: optional(text), force: optional(flag), remote: optional(text) },
    progress,
  ),
  backup: verb(
    "Copies a file, a version or the whole store into folders for backups",
    "store",
    { target: optional(text), store: optional(flag), name: optional(text), to: optional(texts) },
    progress,
  ),
  "restore-backup": verb(
    "Verifies a backup and brings it back",
    "store",
    { backup: text, destination: optional(text), force: optional(flag), onlyFile: optional(flag) },
    progress,
  ),
  activate: verb(
    "Makes a file the one in active/, after a backup of the old one",
    "store",
    { target: text, as: optional(text), answer: optional(choice("plan", "yes", "no")) },
    progress,
  ),
  backups: verb(
    "Lists, verifies and removes backups",
    "store",
    { action: choice("list", "verify", "rm"), names: optional(texts), folder: optional(text) },
    progress,
  ),
} as const;
