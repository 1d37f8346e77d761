import { SmcError } from "@smc/store/errors";
import { show } from "@smc/store/show";
import { defineCommand } from "../command.ts";

// The words come filtered from smc itself: compgen -W would run what a ref name says.
const BASH = `# completion of smc for bash; put this in ~/.bashrc:  eval "$(smc completion bash)"
_smc() {
  COMPREPLY=()
  local word
  while IFS= read -r word; do
    COMPREPLY+=("$word")
  done < <(smc __complete -- "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
}
complete -o default -F _smc smc`;

const ZSH = `#compdef smc
# completion of smc for zsh; put this in ~/.zshrc:  eval "$(smc completion zsh)"
_smc() {
  local -a found
  found=("\${(@f)$(smc __complete -- "\${(@)words[2,CURRENT]}" 2>/dev/null)}")
  if [[ -n "\${found[1]}" ]]; then
    compadd -- "\${found[@]}"
  else
    _files
  fi
}
compdef _smc smc`;

const FISH = `# completion of smc for fish; put this in ~/.config/fish/completions/smc.fish
function __smc_complete
  set -l typed (commandline -opc) (commandline -ct)
  smc __complete -- $typed[2..-1] 2>/dev/null
end
complete -c smc -a '(__smc_complete)'`;

const SCRIPTS = { bash: BASH, zsh: ZSH, fish: FISH };
type Shell = keyof typeof SCRIPTS;

function isShell(word: string): word is Shell {
  return Object.hasOwn(SCRIPTS, word);
}

export const command = defineCommand({
  usage: ["completion bash|zsh|fish"],
  description: ["Prints a script that completes verbs, options, branches and tags."],
  positionals: [
    { name: "shell", summary: "bash, zsh or fish", required: true, completes: Object.keys(SCRIPTS) },
  ],
  options: {},
  examples: [
    ['eval "$(smc completion bash)"', "complete in this shell"],
    ["smc completion fish > ~/.config/fish/completions/smc.fish", "complete in fish"],
  ],
  run: (_context, { words }) => {
    const shell = words[0] ?? "";
    if (!isShell(shell)) {
      throw new SmcError("ARGUMENT_INVALID", `'${show(shell, 40)}' is not one of bash, zsh, fish`);
    }
    return Promise.resolve({ shell, script: SCRIPTS[shell] });
  },
  print: (data, out) => out.line(data.script),
  quiet: (data) => [data.script],
});
