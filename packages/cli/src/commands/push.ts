import { isSmcError, SmcError } from "@smc/store/errors";
import { defineCommand } from "../command.ts";
import { shortRef } from "../format.ts";
import { movedDigests, printPushed } from "../ref-moves.ts";

export const command = defineCommand({
  usage: ["push [options] [REMOTE] [REF ...]", "push --delete [REMOTE] REF ..."],
  description: [
    "Sends branches and tags, and what they need and the remote does not have, to a remote; then moves its refs,",
    "all or none. A branch moves forward only, unless a force option is given. A push that was interrupted sends",
    "the rest when it is run again. What smc ref protects here is neither rewound nor removed there, forced or not.",
  ],
  positionals: [
    { name: "REMOTE", summary: "the remote (origin, or the only one)" },
    {
      name: "REF",
      summary: "branch, tag, HERE:THERE, :THERE to delete, + in front to force (the current branch)",
      completes: "refs",
      many: true,
    },
  ],
  options: {
    all: { type: "boolean", summary: "all branches" },
    tags: { type: "boolean", summary: "all tags too" },
    "force-with-lease": {
      type: "boolean",
      summary: "also move branches back or sideways, if nobody moved them since the last fetch",
    },
    force: { type: "boolean", short: "f", summary: "also move branches back or sideways, whatever is there" },
    mirror: { type: "boolean", summary: "make branches and tags there what they are here; deletes others" },
    jobs: { type: "integer", value: "N", min: 1, max: 16, summary: "packs sent at a time (4)" },
    "dry-run": { type: "boolean", short: "n", summary: "tell what would be done, and send nothing" },
    delete: { type: "boolean", short: "d", summary: "delete the refs there" },
  },
  examples: [
    ["smc push", "the current branch to origin"],
    ["smc push origin main v1.0.0", "a branch and a tag"],
    ["smc push --all --tags nas", "everything"],
    ["smc push origin --delete old", "delete a branch there"],
  ],
  run: (context, { words, rest, options }) => {
    const [remote, ...named] = [...words, ...(rest ?? [])];
    if (options.delete && named.length === 0)
      throw new SmcError("USAGE", "name the remote, and the refs to delete there");
    if (options.delete && (options.all || options.tags || options.mirror))
      throw new SmcError("USAGE", "--delete goes with names of refs only");
    const refs = options.delete ? named.map((name) => `:${name}`) : named;
    const { all, tags, force, mirror, jobs } = options;
    const pushing = context.call("push", {
      ...(remote === undefined ? {} : { remote }),
      ...(refs.length === 0 ? {} : { refs }),
      all,
      tags,
      force,
      mirror,
      forceWithLease: options["force-with-lease"],
      dryRun: options["dry-run"],
      ...(jobs === undefined ? {} : { jobs }),
    });
    return pushing.catch((error: unknown) => {
      throw rejected(error);
    });
  },
  print: (data, out, { words, rest, options }) => {
    const named = [...words, ...(rest ?? [])].slice(1);
    printPushed(data, out, { sources: sourcesOf(named), isDry: options["dry-run"] });
    if (options["dry-run"] && data.refs.length > 0) out.hint("nothing was sent and no ref was moved");
  },
  quiet: (data) => movedDigests(data.refs),
});

const REASONS = {
  NOT_FAST_FORWARD: "non-fast-forward",
  REF_CHANGED: "changed there",
  ALREADY_EXISTS: "already exists",
} as const;

/** Says of a refused ref what git says; any other failure passes unchanged. */
function rejected(error: unknown): unknown {
  if (!isSmcError(error)) return error;
  const { code, message, hint, details } = error;
  const { ref } = details;
  if (typeof ref !== "string" || !Object.hasOwn(REASONS, code)) return error;
  const reason = REASONS[code as keyof typeof REASONS];
  const more = { details, cause: error, ...(hint === undefined ? {} : { hint }) };
  return new SmcError(code, `! [rejected] ${shortRef(ref)} (${reason}): ${message}`, more);
}

/** What `HERE:THERE` calls a ref here, by its name there. */
function sourcesOf(named: readonly string[]): Map<string, string> {
  const pairs = named.map((text) => text.replace(/^\+/, "").split(":"));
  return new Map(
    pairs.flatMap(([here = "", there = ""]) =>
      here === "" || there === "" ? [] : [[shortRef(there), shortRef(here)] as const],
    ),
  );
}
