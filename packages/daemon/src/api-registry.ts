/** Verbs of the registry: which version is live, which may be, which was. Part of the table in `api.ts`. */
import { choice, flag, optional, text, verb } from "./api-schema.ts";
import { Type } from "typebox";

/** See `Answer` in packages/store/src/registry/change-role.ts. */
const confirmed = {
  reason: optional(text),
  answer: optional(choice("plan", "yes", "no")),
  expected: optional(Type.Union([text, Type.Null()])),
  full: optional(flag),
};

export const registryApi = {
  champion: verb("Tells which version is live", "repository", { at: optional(text) }),
  challenger: verb(
    "Tells or names the candidate",
    "repository",
    { revision: optional(text), reason: optional(text) },
    { progress: true },
  ),
  promote: verb(
    "Makes a version champion, challenger or what else there is",
    "repository",
    {
      revision: text,
      to: optional(text),
      require: optional(text),
      force: optional(flag),
      ...confirmed,
    },
    { progress: true },
  ),
  rollback: verb(
    "Makes the champion before, or another version, champion again",
    "repository",
    { version: optional(text), list: optional(flag), ...confirmed },
    { progress: true },
  ),
  archive: verb("Keeps a version that is not in use any more, with the reason", "repository", {
    revision: optional(text),
    unused: optional(text),
    reason: optional(text),
    dryRun: optional(flag),
  }),
  unarchive: verb("Makes an archived version a candidate again", "repository", {
    revision: text,
    reason: optional(text),
  }),
  layout: verb(
    "Writes the champion, the challenger and archived versions as folders of files",
    "repository",
    { action: choice("sync"), folder: text, dryRun: optional(flag) },
    { progress: true },
  ),
  ref: verb("Protects refs from being deleted and moved", "repository", {
    action: choice("protect", "unprotect", "list"),
    pattern: optional(text),
  }),
} as const;
