/** Reading what a command takes from standard input or a file of the user. */
import { createReadStream } from "node:fs";
import { resolve } from "node:path";
import type { Readable } from "node:stream";
import { type ErrorCode, fromErrno, SmcError } from "@smc/store/errors";
import { show } from "@smc/store/show";

interface ReadSettings {
  readonly folder: string;
  readonly signal: AbortSignal;
  readonly bytesMax: number;
  /** What is thrown for more. */
  readonly tooLong?: ErrorCode;
}

function open(name: string, { folder, signal }: ReadSettings): Readable {
  return name === "-" ? process.stdin : createReadStream(resolve(folder, name), { signal });
}

/**
 * The text of a file, or of standard input for "-". Throws LIMIT_EXCEEDED or `tooLong`, ARGUMENT_INVALID (not UTF-8),
 * errno codes.
 */
export async function readText(name: string, settings: ReadSettings): Promise<string> {
  const chunks: Uint8Array[] = [];
  let sizeBytes = 0;
  try {
    for await (const chunk of open(name, settings) as AsyncIterable<Buffer>) {
      sizeBytes += chunk.length;
      if (sizeBytes > settings.bytesMax) {
        throw new SmcError(
          settings.tooLong ?? "LIMIT_EXCEEDED",
          `'${show(name)}' is longer than ${settings.bytesMax} bytes`,
        );
      }
      chunks.push(chunk);
    }
  } catch (error) {
    throw fromErrno(error, `cannot read '${show(name)}'`);
  }
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(Buffer.concat(chunks));
  } catch (error) {
    throw new SmcError("ARGUMENT_INVALID", `'${show(name)}' is not valid UTF-8`, { cause: error });
  }
}

/** Paths separated by NUL when there is one, else by line feeds. */
export function splitPaths(text: string): string[] {
  const separator = text.includes("\0") ? "\0" : /\r?\n/;
  return text.split(separator).filter((path) => path !== "");
}

const PATHS_BYTES_MAX = 64 * 1024 * 1024;

interface PathWords {
  readonly words: readonly string[];
  readonly rest: readonly string[] | undefined;
}

/** The paths among the words, and those of `--pathspec-from-file`. Throws ARGUMENT_INVALID for an empty path. */
export async function pathspecs(
  context: { readonly folder: string; readonly signal: AbortSignal },
  { words, rest }: PathWords,
  fromFile?: string,
): Promise<string[]> {
  const named = [...words, ...(rest ?? [])];
  if (named.includes("")) {
    throw new SmcError("ARGUMENT_INVALID", "a path is empty", { hint: 'write "." for this folder' });
  }
  if (fromFile === undefined) return named;
  if (named.length > 0)
    throw new SmcError("USAGE", "give paths as words or with --pathspec-from-file, not both");
  const { folder, signal } = context;
  return splitPaths(await readText(fromFile, { folder, signal, bytesMax: PATHS_BYTES_MAX }));
}
