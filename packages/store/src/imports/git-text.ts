/** Objects of git as their bytes: commits, tags and trees. Pure. */
import { isSmcError, SmcError } from "../errors.ts";
import { DATE_MS_MAX } from "../history/dates.ts";
import { assertIdentity, MESSAGE_BYTES_MAX } from "../objects/names.ts";
import type { Identity, Moment } from "../objects/objects.ts";

const OFFSET_MINUTES_MAX = 14 * 60;
const NAME_LENGTH_MAX = 60;
const OBJECT_ID = /^(?:[0-9a-f]{40}|[0-9a-f]{64})$/;

export interface GitCommit {
  readonly tree: string;
  readonly author: Identity;
  readonly authored: Moment;
  readonly committer: Identity;
  readonly committed: Moment;
  readonly message: string;
}

export interface GitTag {
  readonly object: string;
  readonly tagger: Identity;
  readonly tagged: Moment;
  readonly message: string;
}

export interface GitEntry {
  readonly name: string;
  /** As git writes it, in octal: "100644". */
  readonly mode: string;
  readonly id: string;
}

export function isObjectId(text: string): boolean {
  return OBJECT_ID.test(text);
}

function malformed(what: string): SmcError {
  return new SmcError("OBJECT_CORRUPT", `git gave ${what}; nothing was imported`, {
    hint: 'check the source with "git fsck"',
  });
}

/** Header lines by name, the first of each, and what follows the empty line. */
function split(bytes: Buffer): { headers: Map<string, string>; body: string } {
  const end = bytes.indexOf("\n\n");
  const head = bytes.subarray(0, end < 0 ? bytes.length : end);
  const encoding = /^encoding (.*)$/m.exec(head.toString("latin1"))?.[1]?.trim().toLowerCase();
  const charset = encoding !== undefined && /^(iso-?8859-?1|latin-?1)$/.test(encoding) ? "latin1" : "utf8";
  const headers = new Map<string, string>();
  for (const line of head.toString(charset).split("\n")) {
    const [, name = "", value = ""] = /^(\S+) (.*)$/.exec(line) ?? [];
    if (name !== "" && !headers.has(name)) headers.set(name, value);
  }
  return { headers, body: end < 0 ? "" : bytes.subarray(end + 2).toString(charset) };
}

/** Throws OBJECT_CORRUPT. */
export function parseGitCommit(bytes: Buffer): GitCommit {
  const { headers, body } = split(bytes);
  const tree = headers.get("tree") ?? "";
  if (!isObjectId(tree)) throw malformed("a commit without a tree");
  const { person: author, moment: authored } = parsePerson(headers.get("author") ?? "");
  const { person: committer, moment: committed } = parsePerson(headers.get("committer") ?? "");
  return { tree, author, authored, committer, committed, message: cleanMessage(body) };
}

/** Throws OBJECT_CORRUPT. */
export function parseGitTag(bytes: Buffer): GitTag {
  const { headers, body } = split(bytes);
  const object = headers.get("object") ?? "";
  if (!isObjectId(object)) throw malformed("a tag of nothing");
  const { person: tagger, moment: tagged } = parsePerson(headers.get("tagger") ?? "");
  const message = body.replace(
    /^-----BEGIN (?:PGP SIGNATURE|SSH SIGNATURE|SIGNED MESSAGE)-----[\s\S]*$/m,
    "",
  );
  return { object, tagger, tagged, message: cleanMessage(message) };
}

/** `Name <address> 1700000000 +0100`, as far as it says it. */
function parsePerson(text: string): { person: Identity; moment: Moment } {
  const [, name = "", email = "", seconds = "0", sign = "+", hours = "0", minutes = "0"] =
    /^(.*?) ?<([^>]*)>(?: (-?\d+))?(?: ([+-])(\d{2})(\d{2}))?/.exec(text) ?? [];
  const offset = (Number(hours) * 60 + Number(minutes)) * (sign === "-" ? -1 : 1);
  const offsetMinutes = Math.abs(offset) > OFFSET_MINUTES_MAX || offset === 0 ? 0 : offset;
  const ms = Math.min(Math.max(Number(seconds) * 1000, 0), DATE_MS_MAX);
  return {
    person: cleanPerson({ name, email }),
    moment: { ms: Number.isSafeInteger(ms) ? ms : 0, offsetMinutes },
  };
}

/** Git takes people that smc does not: without a name, with white space in the address. */
function cleanPerson({ name, email }: Identity): Identity {
  const clean = (text: string): string =>
    text
      .replace(/[<>\p{C}\ufffd]/gu, "")
      .trim()
      .slice(0, NAME_LENGTH_MAX)
      .trim();
  const person = {
    name: clean(name) || clean(email) || "unknown",
    email: clean(email).replace(/\s+/g, "") || "unknown",
  };
  try {
    assertIdentity(person);
    return person;
  } catch (error) {
    if (isSmcError(error, "IDENTITY_INVALID")) return { name: "unknown", email: "unknown" };
    throw error;
  }
}

function cleanMessage(text: string): string {
  const clean = text
    .replace(/\0/g, "")
    .replace(/\ufffd/g, "?")
    .trimEnd();
  if (clean.trim() === "") return "(no message)\n";
  return `${clean.slice(0, MESSAGE_BYTES_MAX / 4)}\n`;
}

/** Throws OBJECT_CORRUPT, PATH_INVALID for a name that is not UTF-8. */
export function parseGitTree(bytes: Buffer, idBytes: 20 | 32): GitEntry[] {
  const entries: GitEntry[] = [];
  const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  for (let at = 0; at < bytes.length;) {
    const space = bytes.indexOf(0x20, at);
    const zero = bytes.indexOf(0, space);
    const next = zero + 1 + idBytes;
    if (space < 0 || zero < 0 || next > bytes.length) throw malformed("a tree that ends too early");
    const mode = bytes.subarray(at, space).toString("latin1");
    let name: string;
    try {
      name = decoder.decode(bytes.subarray(space + 1, zero)).normalize("NFC");
    } catch (error) {
      const shown = JSON.stringify(bytes.subarray(space + 1, zero).toString("latin1"));
      throw new SmcError("PATH_INVALID", `the name ${shown} is not UTF-8; nothing was imported`, {
        cause: error,
      });
    }
    entries.push({ name, mode, id: bytes.subarray(zero + 1, next).toString("hex") });
    at = next;
  }
  return entries;
}
