/** The patterns of refs that people protect, as they are kept: see `PROTECTED_REF`. */
import { isSmcError, SmcError } from "../errors.ts";
import { parseRefName, refName } from "../objects/names.ts";
import { PROTECTED_PREFIX, type RefChange } from "../refs/refs.ts";
import type { Repository } from "../repository.ts";
import { show } from "../show.ts";
import { reasonOf } from "../worktree/state.ts";
import { PATTERNS_BYTES_MAX, PROTECTED_REF } from "./protection.ts";

const PATTERNS_MAX = 1000;

/** A name of a ref, short or in full, in which `*` and `?` stand for others. Throws REF_NAME_INVALID. */
export function assertPattern(pattern: string): void {
  const plain = pattern.replace(/[*?]/g, "x");
  try {
    if (plain.startsWith("refs/")) parseRefName(plain.endsWith("/") ? `${plain}x` : plain);
    else refName("refs/heads/", plain);
  } catch (error) {
    if (!isSmcError(error, "REF_NAME_INVALID")) throw error;
    throw new SmcError("REF_NAME_INVALID", `'${show(pattern, 80)}' is no name or pattern of refs`, {
      hint: "for instance main, 'release/*', 'refs/tags/v*'",
    });
  }
}

/** Replaces the list; who was faster makes it fail. Throws REF_CHANGED, LIMIT_EXCEEDED. */
export async function writePatterns(
  repository: Repository,
  { patterns, why }: { patterns: readonly string[]; why: string },
): Promise<void> {
  const { store, name } = repository;
  const text = patterns.map((pattern) => `${pattern}\n`).join("");
  if (patterns.length > PATTERNS_MAX || Buffer.byteLength(text) > PATTERNS_BYTES_MAX)
    throw new SmcError("LIMIT_EXCEEDED", `more than ${PATTERNS_MAX} patterns; the list was not changed`);
  const from = (await store.refs.read(name, PROTECTED_REF)) ?? "absent";
  const change: RefChange = { name: PROTECTED_REF, from, to: await putText(repository, text) };
  await store.refs.update(name, [change], reasonOf(repository, "ref", why), { owns: [PROTECTED_PREFIX] });
}

async function putText({ store }: Repository, text: string): Promise<RefChange["to"]> {
  if (text === "") return "absent";
  await using session = store.write("ref");
  const { digest } = await session.putBlob(Buffer.from(text));
  await session.finish();
  return digest;
}
