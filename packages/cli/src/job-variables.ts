/** Which variables of the user's environment a program gets without being asked for. */
import { SmcError } from "@smc/store/errors";
import { show } from "@smc/store/show";

/** Where programs, home and temporary folders are, language and time zone, environments of Python, and visible GPUs. */
const PASSED_ON = (
  "PATH HOME USER LOGNAME SHELL LANG LANGUAGE LC_ALL LC_CTYPE LC_NUMERIC TZ TMPDIR TEMP TMP SystemRoot USERPROFILE " +
  "VIRTUAL_ENV CONDA_PREFIX CONDA_DEFAULT_ENV OMP_NUM_THREADS CUDA_VISIBLE_DEVICES NVIDIA_VISIBLE_DEVICES " +
  "HIP_VISIBLE_DEVICES ROCR_VISIBLE_DEVICES"
).split(" ");

/** Those that are passed on. */
export function inheritedVariables(): Record<string, string> {
  return Object.fromEntries(PASSED_ON.flatMap((name) => entryOf(name, process.env[name])));
}

/** Those that `--env NAME` or `--env NAME=VALUE` names. Throws ARGUMENT_INVALID for a name that is not set. */
export function namedVariables(words: readonly string[]): Record<string, string> {
  const named = words.map((word): [string, string] => {
    const equals = word.indexOf("=");
    if (equals > 0) return [word.slice(0, equals), word.slice(equals + 1)];
    const value = process.env[word];
    if (value !== undefined) return [word, value];
    throw new SmcError(
      "ARGUMENT_INVALID",
      `--env: the variable '${show(word, 80)}' is not set; no job was made`,
      {
        hint: "give a value with --env NAME=VALUE",
      },
    );
  });
  return Object.fromEntries(named);
}

function entryOf(name: string, value: string | undefined): [string, string][] {
  return value === undefined ? [] : [[name, value]];
}
