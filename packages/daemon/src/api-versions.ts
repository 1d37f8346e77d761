/** What the verbs about versions and what is known of them take: a part of the table in `api.ts`. */
import { flag, numbers, optional, text, texts, verb } from "./api-schema.ts";

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
};
