/** What a command knows besides its words: where the user stands, which store, and the way to the daemon. */
import { statSync } from "node:fs";
import { homedir } from "node:os";
import { isAbsolute, join, resolve } from "node:path";
import { fromErrno, SmcError } from "@smc/store/errors";
import { show } from "@smc/store/show";
import {
  type Client,
  createClient,
  type VerbInput,
  type VerbName,
  type VerbResult,
} from "@smc/daemon/client";
import type { Progress, StoreEvent } from "@smc/store";
import type { CommandContext } from "./command.ts";
import type { GLOBAL_OPTIONS } from "./global-options.ts";
import type { Printer } from "./output.ts";
import type { OptionValues } from "./words.ts";

interface ContextSettings {
  readonly globals: OptionValues<typeof GLOBAL_OPTIONS>;
  /** The verb. */
  readonly name: string;
  readonly printer: Printer;
  readonly signal: AbortSignal;
}

function currentFolder(): string {
  try {
    return process.cwd();
  } catch (error) {
    throw new SmcError("PATH_NOT_FOUND", "the folder you are in does not exist any more", {
      hint: "go to another folder",
      cause: error,
    });
  }
}

/** The folder the user stands in, with `-C`. Throws PATH_NOT_FOUND. */
export function userFolder(chdir: string | undefined): string {
  if (chdir === undefined) return currentFolder();
  if (chdir === "") throw new SmcError("ARGUMENT_INVALID", "-C: the folder is empty");
  const folder = isAbsolute(chdir) ? resolve(chdir) : resolve(currentFolder(), chdir);
  try {
    if (statSync(folder).isDirectory()) return folder;
  } catch (error) {
    throw fromErrno(error, `-C: cannot go to '${show(chdir)}'`);
  }
  throw new SmcError("PATH_NOT_FOUND", `-C: '${show(chdir)}' is not a folder`);
}

/** Where the store is: `--store`, SMC_HOME, `~/.smc`. Throws ARGUMENT_INVALID. */
export function storeFolder(
  option: string | undefined,
  env: Readonly<Record<string, string | undefined>>,
): string {
  const given = option ?? env["SMC_HOME"];
  if (given !== undefined) {
    const source = option === undefined ? "SMC_HOME" : "--store";
    if (given === "") throw new SmcError("ARGUMENT_INVALID", `${source}: the path of the store is empty`);
    if (given.includes("\0"))
      throw new SmcError("ARGUMENT_INVALID", `${source}: a NUL character in the path`);
    return isAbsolute(given) ? resolve(given) : resolve(currentFolder(), given);
  }
  const home = homedir();
  if (!isAbsolute(home)) {
    throw new SmcError("ARGUMENT_INVALID", "cannot tell where your home folder is", {
      hint: "set SMC_HOME to the folder of the store",
    });
  }
  return join(home, ".smc");
}

/** Throws STORE_NOT_FOUND when the store cannot be there, or must be and is not. */
function assertStoreFolder(path: string, mustExist: boolean): void {
  try {
    if (statSync(path).isDirectory()) return;
  } catch (error) {
    const errno = (error as NodeJS.ErrnoException).code;
    if (errno === "ENOENT" && !mustExist) return;
    if (errno === "ENOENT") {
      throw new SmcError("STORE_NOT_FOUND", `there is no store at '${show(path)}'`, {
        hint: 'make one with "smc init"',
      });
    }
    if (errno !== "ENOTDIR") throw fromErrno(error, `cannot open the store '${show(path)}'`);
  }
  throw new SmcError("STORE_NOT_FOUND", `'${show(path)}' cannot be a store: it is not a folder`, {
    hint: "give a folder with --store or SMC_HOME",
  });
}

/** Verbs that may make the store which `--store` names. */
const MAKES_STORE = new Set(["init", "daemon"]);

/** Lazy throughout: a command that needs no folder and no daemon touches neither. */
export function createContext(settings: ContextSettings): CommandContext {
  const { globals, name, printer, signal } = settings;
  const { repo, store, chdir } = globals;
  let client: Client | undefined;
  const context: CommandContext = {
    get folder() {
      return userFolder(chdir);
    },
    get storePath() {
      return storeFolder(store, process.env);
    },
    get client() {
      if (client !== undefined) return client;
      const { storePath } = context;
      assertStoreFolder(storePath, store !== undefined && !MAKES_STORE.has(name));
      client = createClient({ storePath });
      return client;
    },
    signal,
    askSecret: async (question) => {
      const { readSecret } = await import("./secret.ts");
      const prompt = (text: string): void => printer.prompt(text);
      return readSecret(question, { folder: context.folder, signal, prompt });
    },
    confirm: async (change) => {
      if (globals.yes) return change.ask("yes");
      const { confirmed } = await import("./confirm.ts");
      return confirmed(change, { signal, prompt: (text) => printer.prompt(text) });
    },
    call: async <V extends VerbName>(
      verb: V,
      input: VerbInput<V>,
      onEvent?: (event: StoreEvent) => Promise<void>,
    ): Promise<VerbResult<V>> => {
      const author = process.env["SMC_AUTHOR"];
      const at = {
        folder: context.folder,
        ...(repo === undefined ? {} : { repository: repo }),
        ...(author === undefined || author === "" ? {} : { author }),
      };
      const onProgress = (progress: Progress): void => printer.progress(progress);
      const options = { signal, onProgress, ...(onEvent === undefined ? {} : { onEvent }) };
      return context.client.call(verb, { at, input }, options);
    },
  };
  return context;
}
