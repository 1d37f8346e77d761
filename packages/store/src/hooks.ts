/**
 * Who is told of events: `hooks.json` of the store, which nobody else may read. It is the user's own and never part of
 * a repository: what a clone brings must not run anything.
 */
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import type { Call } from "./call.ts";
import { nowMs } from "./clock.ts";
import { SmcError } from "./errors.ts";
import { type EventName, EVENTS, isEventName } from "./events.ts";
import { replaceFile } from "./fs.ts";
import { readPrivate } from "./read-private.ts";
import { show } from "./show.ts";
import type { Store } from "./store.ts";
import { exclusively } from "./worktree/worktree.ts";

const VERSION = 1;
const FILE_BYTES_MAX = 4 * 1024 * 1024;
const HOOKS_MAX = 100;
const ID_BYTES = 4;
const SECRET_BYTES = 32;
const SECRET_PREFIX = "smc_hook_";
const WORDS_MAX = 256;

/** A server that gets a signed POST, or a program that is run. */
export type HookTarget =
  | { readonly url: string; readonly secret: string }
  | { readonly exec: readonly string[] };

/** How telling of an event ended. */
export interface HookOutcome {
  /** Of the event. */
  readonly id: string;
  readonly atMs: number;
  readonly ok: boolean;
  readonly attempts: number;
  /** What the receiver answered, or why it did not. */
  readonly message: string;
}

export interface HookRecord {
  /** 8 hex digits. */
  readonly id: string;
  readonly event: EventName;
  readonly target: HookTarget;
  readonly createdMs: number;
  /** The last record of the journal that it need not be told of any more. */
  readonly afterSeq: number;
  /** Null before the first event. */
  readonly last: HookOutcome | null;
  /** Events that were given up. */
  readonly failed: number;
  /** Records of the journal that were passed over, because too many had come together. */
  readonly skipped: number;
}

type Place = Pick<Store, "path">;

/** In the order in which they were made. Throws UNSAFE_OWNER, STORE_CORRUPT, FORMAT_UNSUPPORTED. */
export async function readHooks(store: Place): Promise<readonly HookRecord[]> {
  const path = pathOf(store);
  const hint = `see who wrote into it, then run "chmod 600 '${show(path)}'"`;
  const text = await readPrivate(path, { bytesMax: FILE_BYTES_MAX, hint });
  return text === undefined ? [] : parseHooks(text, path);
}

/** Durable when it returns. Throws LIMIT_EXCEEDED, and as `readHooks`. */
export async function addHook(
  store: Place,
  wanted: {
    readonly event: EventName;
    readonly to: { readonly url: string } | { readonly exec: readonly string[] };
    readonly afterSeq: number;
  },
  call: Call,
): Promise<HookRecord> {
  const { event, to, afterSeq } = wanted;
  const secret = `${SECRET_PREFIX}${randomBytes(SECRET_BYTES).toString("base64url")}`;
  const target = "url" in to ? { url: to.url, secret } : { exec: to.exec };
  if ("exec" in to && (to.exec.length > WORDS_MAX || to.exec.some((word) => word.includes("\0"))))
    throw new SmcError(
      "LIMIT_EXCEEDED",
      `a program of a hook has at most ${WORDS_MAX} arguments without NUL`,
    );
  return change(store, call, (hooks) => {
    if (hooks.length >= HOOKS_MAX)
      throw new SmcError("LIMIT_EXCEEDED", `a store has at most ${HOOKS_MAX} hooks; none was added`);
    const id = randomBytes(ID_BYTES).toString("hex");
    const rest = { createdMs: nowMs(), afterSeq, last: null, failed: 0, skipped: 0 };
    const made = { id, event, target, ...rest };
    return { hooks: [...hooks, made], result: made };
  });
}

/** Throws ARGUMENT_INVALID for an id that is none; nothing was removed then. */
export async function removeHook(store: Place, id: string, call: Call): Promise<HookRecord> {
  return change(store, call, (hooks) => {
    const found = requireHook(hooks, id);
    return { hooks: hooks.filter((hook) => hook !== found), result: found };
  });
}

/** Throws ARGUMENT_INVALID. */
export function requireHook(hooks: readonly HookRecord[], id: string): HookRecord {
  const found = hooks.find((hook) => hook.id === id);
  if (found !== undefined) return found;
  throw new SmcError("ARGUMENT_INVALID", `there is no hook '${show(id, 80)}'; nothing was changed`, {
    hint: 'see "smc hook list"',
  });
}

/** Writes down how far a hook has come; nothing when it was removed meanwhile. */
export async function noteHook(
  store: Place,
  id: string,
  now: Pick<HookRecord, "afterSeq" | "last" | "failed" | "skipped">,
  call: Call,
): Promise<void> {
  await change(store, call, (hooks) => ({
    hooks: hooks.map((hook) => (hook.id === id ? { ...hook, ...now } : hook)),
    result: undefined,
  }));
}

async function change<T>(
  store: Place,
  call: Call,
  edit: (hooks: readonly HookRecord[]) => { readonly hooks: readonly HookRecord[]; readonly result: T },
): Promise<T> {
  const path = pathOf(store);
  return exclusively({ root: path }, call, async () => {
    const before = await readHooks(store);
    const { hooks, result } = edit(before);
    const text = `${JSON.stringify({ version: VERSION, hooks }, undefined, 2)}\n`;
    if (Buffer.byteLength(text) > FILE_BYTES_MAX)
      throw new SmcError("LIMIT_EXCEEDED", `'${show(path)}' would be larger than ${FILE_BYTES_MAX} bytes`);
    await replaceFile(path, text, { mode: 0o600 });
    return result;
  });
}

function pathOf({ path }: Place): string {
  return join(path, "hooks.json");
}

function parseHooks(text: string, path: string): HookRecord[] {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // The error of the parser would repeat what stands there.
    throw damaged(path, "it is not JSON");
  }
  const { version, hooks } = (value ?? {}) as { version?: unknown; hooks?: unknown };
  if (typeof version !== "number") throw damaged(path, "it has no version");
  if (version !== VERSION)
    throw new SmcError(
      "FORMAT_UNSUPPORTED",
      `'${show(path)}' is of version ${version}; this smc knows ${VERSION}`,
    );
  if (!Array.isArray(hooks) || hooks.length > HOOKS_MAX) throw damaged(path, "it has no list of hooks");
  return hooks.map((item: unknown, position) => parseHook(item, `hook ${position + 1}`, path));
}

/** A field that is not what it must be makes the whole file damaged: a guess would run something. */
function parseHook(item: unknown, where: string, path: string): HookRecord {
  const fields = (item ?? {}) as Partial<Record<keyof HookRecord, unknown>>;
  const { id, event, target, createdMs, afterSeq, last, failed, skipped } = fields;
  const isId = typeof id === "string" && /^[0-9a-f]{8}$/.test(id);
  const isKnown = typeof event === "string" && isEventName(event);
  if (!isId || !isKnown) throw damaged(path, `${where} has no id, or not one of ${EVENTS.join(", ")}`);
  const counts = [createdMs, afterSeq, failed, skipped];
  if (!counts.every(isCount)) throw damaged(path, `${where} does not say how far it has come`);
  const [made = 0, after = 0, lost = 0, passed = 0] = counts.filter(isCount);
  const whom = parseTarget(target);
  if (whom === undefined) throw damaged(path, `${where} tells nobody`);
  return {
    id,
    event,
    target: whom,
    createdMs: made,
    afterSeq: after,
    last: parseOutcome(last),
    failed: lost,
    skipped: passed,
  };
}

function parseTarget(value: unknown): HookTarget | undefined {
  const { url, secret, exec } = (value ?? {}) as Record<"url" | "secret" | "exec", unknown>;
  if (typeof url === "string" && typeof secret === "string" && secret.startsWith(SECRET_PREFIX))
    return { url, secret };
  const isList = Array.isArray(exec) && exec.length > 0 && exec.length <= WORDS_MAX;
  return isList && exec.every((word) => typeof word === "string") ? { exec } : undefined;
}

/** What was told last is for people: one that makes no sense is as good as none. */
function parseOutcome(value: unknown): HookOutcome | null {
  const { id, atMs, ok, attempts, message } = (value ?? {}) as Record<keyof HookOutcome, unknown>;
  if (typeof id !== "string" || typeof ok !== "boolean" || typeof message !== "string") return null;
  return isCount(atMs) && isCount(attempts) ? { id, atMs, ok, attempts, message } : null;
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && Number(value) >= 0;
}

function damaged(path: string, why: string): SmcError {
  return new SmcError("STORE_CORRUPT", `'${show(path)}' is damaged: ${why}; nobody is told of events`, {
    hint: 'move it away and make the hooks anew with "smc hook add"',
  });
}
