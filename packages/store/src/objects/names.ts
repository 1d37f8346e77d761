/**
 * What names may look like: tree entries, refs, repositories, people, messages. Pure.
 * Ref names follow git check-ref-format(1).
 */
import { SmcError } from "../errors.ts";
import type { Identity } from "./objects.ts";
import { isHidden, show } from "../show.ts";

declare const brand: unique symbol;
/** A full ref name: `refs/heads/main`, `refs/tags/v1.0.0`. */
export type RefName = string & { readonly [brand]: "RefName" };

export const NAME_BYTES_MAX = 255;
export const PATH_BYTES_MAX = 4096;
export const MESSAGE_BYTES_MAX = 1024 * 1024;
export const TREE_DEPTH_MAX = 512;
const REF_BYTES_MAX = 255;
const REF_PARTS_MAX = 32;

const WINDOWS_RESERVED = /^(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³]|conin\$|conout\$)( *\.|$)/i;
// oxlint-disable-next-line no-control-regex
const CONTROL = /[\u0000-\u001f\u007f-\u009f]/;
// Characters that HFS+ drops when it compares names.
const HFS_IGNORED = /[\u200c-\u200f\u202a-\u202e\u206a-\u206f\ufeff]/g;

/** Key under which two names are the same file on some file system: case folded, NFKC, ignorables dropped. */
export function foldName(name: string): string {
  return name
    .replace(HFS_IGNORED, "")
    .normalize("NFKC")
    .toLowerCase()
    .toUpperCase()
    .toLowerCase()
    .normalize("NFC");
}

function isReserved(name: string): boolean {
  const stem =
    foldName(name)
      .split(":")[0]
      ?.replace(/[. ]+$/, "") ?? "";
  return stem === ".smc" || /^smc~\d+$/.test(stem);
}

/** Why a name can never be a tree entry, or undefined. Checked when a tree is written and when it is read. */
function entryNameFault(name: string): string | undefined {
  if (name === "") return "an empty name";
  if (name === "." || name === "..") return `entry name '${name}'`;
  if (Buffer.byteLength(name) > NAME_BYTES_MAX) return `a name of more than ${NAME_BYTES_MAX} bytes`;
  if (!name.isWellFormed()) return "a name that is not valid UTF-8";
  const separator = /[/\\]/.exec(name);
  if (separator !== null) return `'${separator[0]}' in the name '${show(name)}'`;
  if (CONTROL.test(name)) return `a control character in the name '${show(name)}'`;
  if (name.normalize("NFC") !== name) return `the name '${show(name)}' is not in Unicode normal form C`;
  if (isReserved(name)) return `reserved name '${show(name)}'`;
  return undefined;
}

/** Throws OBJECT_INVALID for a name that no tree may hold. */
export function assertEntryName(name: string): void {
  const fault = entryNameFault(name);
  if (fault !== undefined) throw new SmcError("OBJECT_INVALID", `tree: ${fault}`);
}

/** Why a name works here but not on Windows, or undefined. */
export function portabilityFault(name: string): string | undefined {
  if (WINDOWS_RESERVED.test(name)) return `'${show(name)}' is a reserved name on Windows`;
  if (/[. ]$/.test(name)) return `'${show(name)}' ends with a dot or a space`;
  const character = /[<>:"|?*]/.exec(name);
  if (character !== null) return `'${show(name)}' contains '${character[0]}'`;
  return undefined;
}

/**
 * Throws unless a worktree path (parts separated by `/`) can be committed:
 * PATH_INVALID for names no tree may hold, NAME_NOT_PORTABLE for names that other systems cannot hold.
 */
export function assertPath(path: string, options: { allowNonportable?: boolean } = {}): void {
  if (Buffer.byteLength(path) > PATH_BYTES_MAX) {
    throw new SmcError("PATH_INVALID", `'${show(path, 80)}' is longer than ${PATH_BYTES_MAX} bytes`);
  }
  const parts = path.split("/");
  if (parts.length > TREE_DEPTH_MAX) {
    throw new SmcError("LIMIT_EXCEEDED", `'${show(path, 80)}' is deeper than ${TREE_DEPTH_MAX} folders`);
  }
  for (const part of parts) {
    const fault = entryNameFault(part);
    if (fault !== undefined) throw new SmcError("PATH_INVALID", `'${show(path, 200)}': ${fault}`);
    const unportable = options.allowNonportable === true ? undefined : portabilityFault(part);
    if (unportable !== undefined) {
      throw new SmcError("NAME_NOT_PORTABLE", `${unportable}; other systems cannot check it out`, {
        hint: "rename the file, or pass --allow-nonportable",
      });
    }
  }
}

function refFault(name: string): string | undefined {
  if (name === "") return "it is empty";
  if (!name.isWellFormed()) return "it is not valid UTF-8";
  if (Buffer.byteLength(name) > REF_BYTES_MAX) return `it is longer than ${REF_BYTES_MAX} bytes`;
  if (name.startsWith("-")) return "name starts with '-'";
  for (const [position, character] of [...name].entries()) {
    if (CONTROL.test(character) || isHidden(character)) {
      const point = (character.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, "0");
      return `control or invisible character U+${point} at ${position}`;
    }
    if (" ~^:?*[\\".includes(character)) return `'${character}' at ${position}`;
  }
  const double = name.indexOf("..");
  if (double >= 0) return `'..' at ${double}`;
  const braced = name.indexOf("@{");
  if (braced >= 0) return `'@{' at ${braced}`;
  if (name === "@") return "it is '@'";
  if (name.normalize("NFC") !== name) return "it is not in Unicode normal form C";
  const parts = name.split("/");
  if (parts.length > REF_PARTS_MAX) return `it has more than ${REF_PARTS_MAX} parts`;
  for (const part of parts) {
    if (part === "") return "it has an empty part";
    if (part.startsWith(".")) return `part '${part}' starts with '.'`;
    if (part.endsWith(".")) return `part '${part}' ends with '.'`;
    if (part.endsWith(".lock")) return `part '${part}' ends with '.lock'`;
  }
  return undefined;
}

/** Makes a full ref name of a prefix (`refs/heads/`) and what the user typed. Throws REF_NAME_INVALID. */
export function refName(prefix: string, short: string): RefName {
  const special = /^(HEAD|FETCH_HEAD|ORIG_HEAD|MERGE_HEAD)$/.test(short)
    ? "it has a meaning of its own"
    : undefined;
  const looksLikeDigest = /^[0-9a-f]{64}$/.test(short) ? "it looks like a digest" : undefined;
  const fault = refFault(short) ?? special ?? looksLikeDigest;
  if (fault !== undefined) {
    throw new SmcError("REF_NAME_INVALID", `'${show(short, 80)}' is not a name for a ref: ${fault}`);
  }
  return parseRefName(prefix + short);
}

/** Throws REF_NAME_INVALID unless the text is a full ref name below `refs/`. */
export function parseRefName(text: string): RefName {
  const fault = refFault(text) ?? (/^refs\/[^/]+\/./.test(text) ? undefined : "it is not below refs/");
  if (fault !== undefined) {
    throw new SmcError("REF_NAME_INVALID", `'${show(text, 80)}' is not a ref: ${fault}`);
  }
  return text as RefName;
}

/** `name` or `owner/name`; letters, digits, `.`, `_`, `-`. Throws REPOSITORY_NAME_INVALID. */
export function assertRepositoryName(name: string): void {
  const part = /^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/;
  const parts = name.split("/");
  const fits =
    parts.length <= 2 && parts.every((text) => part.test(text) && !/\.(lock|git)$|\.$|\.\./.test(text));
  if (!fits) {
    throw new SmcError("REPOSITORY_NAME_INVALID", `'${show(name, 80)}' is not a name for a repository`);
  }
}

/** Throws MESSAGE_INVALID: nothing but white space, more than 1 MiB, NUL, not UTF-8. */
export function assertMessage(message: string, options: { allowEmpty?: boolean } = {}): void {
  const fault = messageFault(message, options);
  if (fault !== undefined) throw new SmcError("MESSAGE_INVALID", `the message ${fault}`);
}

/** Why a text can be no message, or undefined. */
export function messageFault(message: string, options: { allowEmpty?: boolean } = {}): string | undefined {
  if (options.allowEmpty !== true && message.trim() === "") return "is empty";
  if (Buffer.byteLength(message) > MESSAGE_BYTES_MAX) return `is longer than ${MESSAGE_BYTES_MAX} bytes`;
  const nul = message.indexOf("\0");
  if (nul >= 0) return `has a NUL character at ${nul}`;
  if (!message.isWellFormed() || message.includes("\ufffd")) return "is not valid UTF-8";
  return undefined;
}

/** Throws IDENTITY_INVALID: empty parts, angle brackets, control characters, an address without `@`. */
export function assertIdentity(identity: Identity): void {
  const fail = (why: string): never => {
    throw new SmcError(
      "IDENTITY_INVALID",
      `author '${show(`${identity.name} <${identity.email}>`, 120)}': ${why}`,
    );
  };
  const { name, email } = identity;
  if (name.trim() === "") fail("the name is empty");
  if (email.trim() === "") fail("the e-mail address is empty");
  if (/[<>]/.test(name + email)) fail("'<' or '>' inside");
  if (isHidden(name + email)) fail("control or invisible characters inside");
  if (!(name + email).isWellFormed()) fail("not valid UTF-8");
  if (Buffer.byteLength(name) > 200 || Buffer.byteLength(email) > 254) fail("too long");
  if (/\s/.test(email)) fail("white space in the e-mail address");
}

/** Reads `Name <name@example.org>`. Throws IDENTITY_INVALID. */
export function parseIdentity(text: string): Identity {
  const match = /^([^<>]*?)\s*<([^<>]*)>$/.exec(text);
  if (match === null) {
    throw new SmcError("IDENTITY_INVALID", `'${show(text, 120)}' is not of the form Name <address>`);
  }
  const identity = { name: (match[1] ?? "").trim(), email: match[2] ?? "" };
  assertIdentity(identity);
  return identity;
}
