/** From the word of a person to the data that are meant: a data set of the worktree, or a path in it. */
import { isAbsolute, relative, sep } from "node:path";
import { SmcError } from "../errors.ts";
import { suggest } from "../history/suggest.ts";
import { type FilesPlace, kindAt, pathOf } from "../layout/folders.ts";
import { show } from "../show.ts";
import { dataPath, readDataFile, type Settings } from "./data-file.ts";
import { DIGITS, settingsOfPath } from "./data-settings.ts";

export interface NamedData {
  /** Of the data set, or of the file or folder without its extension. */
  readonly name: string;
  readonly settings: Settings;
}

/**
 * A data set of `smc.data.json` as it is in the worktree now, `digits`, or a file or folder. Throws PATH_NOT_FOUND,
 * UNSAFE_PATH, FILE_MALFORMED.
 */
export async function dataHere(place: FilesPlace, word: string): Promise<NamedData> {
  const { sets } = await readDataFile(dataPath(place));
  const set = sets.find(({ name }) => name === word);
  if (set !== undefined) return { name: word, settings: set.settings };
  if (word === DIGITS) return { name: word, settings: settingsOfPath(word) };
  const path = insidePath(place, word);
  if ((await kindAt(pathOf(place, word))) === undefined) {
    const near = suggest(
      word,
      sets.map(({ name }) => name),
    );
    throw new SmcError(
      "PATH_NOT_FOUND",
      `'${show(word, 200)}' is no data set and no file; nothing was computed`,
      {
        hint: near.length === 0 ? 'see "smc data list"' : `did you mean ${near.join(", ")}?`,
        details: { candidates: near },
      },
    );
  }
  const [last = ""] = path.split("/").slice(-1);
  return { name: last.replace(/\.[^.]+$/, ""), settings: settingsOfPath(path) };
}

/** As seen from the root of the worktree: only what lies in it is versioned with it. Throws UNSAFE_PATH. */
export function insidePath(place: Pick<FilesPlace, "root" | "folder">, text: string): string {
  const path = relative(place.root, pathOf(place, text));
  if (path === ".." || path.startsWith(`..${sep}`) || isAbsolute(path))
    throw new SmcError(
      "UNSAFE_PATH",
      `'${show(text, 200)}' is not in '${show(place.root)}'; nothing was changed`,
      { hint: "data are versioned with the models: move them there" },
    );
  return path === "" ? "." : path.split(sep).join("/");
}
