/** A repository of git as an import reads it. */
import { isAbsolute, resolve } from "node:path";
import type { Call, GitSource } from "@smc/store";
import { SmcError } from "@smc/store/errors";
import { show } from "@smc/store/show";
import { GitObjects } from "./git-objects.ts";
import { askGit } from "./git-program.ts";

const TEXT_BYTES_MAX = 64 * 1024;
/** 41 bytes each for more commits than an import takes. */
const LIST_BYTES_MAX = 16 * 1024 * 1024;
const NOT_SET = 1;

/** Throws ARGUMENT_INVALID for a folder that is no repository of git, PATH_NOT_FOUND where there is no git. */
export async function openGit(folder: string, call: Call): Promise<GitSource & AsyncDisposable> {
  const { signal } = call;
  const ask = async (words: readonly string[], bytesMax = TEXT_BYTES_MAX): ReturnType<typeof askGit> =>
    askGit(folder, words, { signal, bytesMax });
  const found = await ask([
    "rev-parse",
    "--git-common-dir",
    "--is-bare-repository",
    "--is-shallow-repository",
    "--show-object-format",
  ]);
  const [common = "", bare = "", shallow = "", format = ""] = found.text.split("\n");
  if (found.status !== 0 || common === "")
    throw new SmcError(
      "ARGUMENT_INVALID",
      `git cannot read '${show(folder)}': ${show(found.said.split("\n")[0] ?? "", 300)}; nothing was imported`,
    );
  const top = bare === "true" ? undefined : (await ask(["rev-parse", "--show-toplevel"])).text.trimEnd();
  const contents = new GitObjects(folder, "batch", signal);
  const heads = new GitObjects(folder, "batch-check", signal);
  return {
    folder: isAbsolute(common) ? common : resolve(folder, common),
    root: top === undefined || top === "" ? undefined : top,
    isShallow: shallow === "true",
    idBytes: format === "sha256" ? 32 : 20,
    commits: async (revision) => {
      const words = ["rev-list", "--first-parent", "--reverse", "--end-of-options", revision, "--"];
      const listed = await ask(words, LIST_BYTES_MAX);
      if (listed.status === 0) return listed.text.split("\n").filter((line) => line !== "");
      throw new SmcError(
        "REVISION_NOT_FOUND",
        `git finds no commit '${show(revision, 120)}': ${show(listed.said.split("\n")[0] ?? "", 300)}; nothing was imported`,
      );
    },
    tags: async () => {
      const format = "--format=%(objectname) %(refname:strip=2)";
      const { text } = await ask(["for-each-ref", format, "refs/tags"], LIST_BYTES_MAX);
      return [...text.matchAll(/^([0-9a-f]+) (.+)$/gm)].map(([, id = "", name = ""]) => ({ id, name }));
    },
    config: async (name) => {
      const { status, text, said } = await ask(["config", "--get", name]);
      if (status === 0) return text.replace(/\n$/, "");
      if (status === NOT_SET) return undefined;
      throw new SmcError("ARGUMENT_INVALID", `git cannot read its settings: ${show(said, 300)}`);
    },
    stat: (id) => heads.ask(id),
    read: async (id, bytesMax) => {
      const { sizeBytes } = await contents.ask(id);
      if (sizeBytes > bytesMax)
        throw new SmcError(
          "LIMIT_EXCEEDED",
          `${show(id, 80)} of git has more than ${bytesMax} bytes; nothing was imported`,
        );
      const pieces: Buffer[] = [];
      for await (const piece of contents.bytes(sizeBytes)) pieces.push(piece);
      return Buffer.concat(pieces);
    },
    stream: async function* stream(id) {
      const { sizeBytes } = await contents.ask(id);
      yield* contents.bytes(sizeBytes);
    },
    [Symbol.asyncDispose]: async () => {
      await contents[Symbol.asyncDispose]();
      await heads[Symbol.asyncDispose]();
    },
  };
}
