/** The user's variables that settings and reports look at; the daemon has an environment of its own. */
export function sharedEnvironment(env: Readonly<Record<string, string | undefined>>): Record<string, string> {
  const shared: Record<string, string> = {};
  for (const [name, value] of Object.entries(env)) {
    const wanted = /^(SMC_\w+|NO_COLOR|TERM|LANG|LC_\w+|TMPDIR|XDG_RUNTIME_DIR)$/.test(name);
    if (wanted && value !== undefined) shared[name] = value;
  }
  return shared;
}
