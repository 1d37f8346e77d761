/** What the verbs about versions and what is known of them take: a part of the table in `api.ts`. */
import { choice, flag, message, numbers, optional, scalars, text, texts, verb } from "./api-schema.ts";

const progress = { progress: true };

export const versionsApi = {
  versions: verb("Lists versions with status, metrics, size and why they were archived", "repository", {
    filter: optional(text),
    sort: optional(text),
    all: optional(flag),
  }),
  compare: verb(
    "Compares versions side by side: metrics, params, tags, files, tensors",
    "repository",
    { revisions: texts, all: optional(flag), tensors: optional(flag) },
    progress,
  ),
  rank: verb("Orders versions by a metric or by the weighted mean of several", "repository", {
    weights: numbers,
    revisions: optional(texts),
  }),
  changelog: verb("Tells what each version brought, or what is noted about a file", "store", {
    revision: optional(text),
    since: optional(text),
  }),
  note: verb("Adds a note about a commit or a file, or lists them", "store", {
    revision: optional(text),
    message: optional(message),
    metrics: optional(numbers),
  }),
  meta: verb("Tells and sets what is known of a version; writes metadata.json", "repository", {
    action: choice("get", "set", "create", "edit"),
    revision: optional(text),
    key: optional(text),
    values: optional(scalars),
    file: optional(text),
  }),
  registry: verb("Sums up all versions, or exports and imports them as a document", "repository", {
    action: choice("summary", "export", "import"),
    named: optional(flag),
    file: optional(text),
  }),
};
