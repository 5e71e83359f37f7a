import { basename } from "node:path";
import { call } from "../api/client.io.ts";
import { TrellisError } from "../base/errors.ts";
import { GLOBAL } from "../config/settings.ts";
import { fromCommandLine, settle } from "../config/settle.ts";
import { type Command, command, NONE } from "./command.ts";
import { type Candidate, completionOf, matching } from "./complete.ts";
import { socketOf } from "./context.ts";
import { defaultSources } from "./defaults.ts";

/** The word by which the scripts ask: `trellis __complete WORD...`, answered by `answerShell`. */
export const ASK = "__complete";
/** Stands for "any file": the shell knows those. */
const FILES = ":files";

/** Each asks for the words up to the cursor and is given a line for each candidate: word, tab, what it does. */
const SCRIPTS: Readonly<Record<string, string>> = {
  bash: `# trellis completion for bash
_trellis() {
  local line
  COMPREPLY=()
  while IFS= read -r line; do
    if [ "$line" = ${FILES} ]; then
      compopt -o default 2>/dev/null
      return
    fi
    COMPREPLY+=("\${line%%$'\\t'*}")
  done < <("\${COMP_WORDS[0]/#\\~/$HOME}" ${ASK} "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
}
complete -F _trellis trellis`,
  zsh: `#compdef trellis
# trellis completion for zsh
_trellis() {
  local line
  local -a answer described
  answer=("\${(@f)$("\${words[1]/#\\~/$HOME}" ${ASK} "\${(@)words[2,CURRENT]}" 2>/dev/null)}")
  if [[ $answer[1] == ${FILES} ]]; then
    compset -P '--*='
    _files
    return
  fi
  for line in $answer; do
    described+=("\${\${line%%$'\\t'*}//:/\\\\:}:\${line#*$'\\t'}")
  done
  _describe trellis described
}
if [[ $funcstack[1] == _trellis ]]; then _trellis "$@"; else compdef _trellis trellis; fi`,
  fish: `# trellis completion for fish
function __trellis_complete
  set -l before (commandline -opc)
  set -l current (commandline -ct)
  set -l answer ($before[1] ${ASK} $before[2..-1] "$current" 2>/dev/null)
  if test "$answer[1]" = ${FILES}
    set -l sign (string match -r '^--[^=]*=' -- $current)
    string replace -r -- '^' "$sign" (__fish_complete_path (string replace -r '^--[^=]*=' '' -- $current))
  else
    printf '%s\\n' $answer
  end
end
complete -c trellis -f -a '(__trellis_complete)'`,
};
const SHELLS = Object.keys(SCRIPTS);

export const completion = command({
  name: "completion",
  doc: "print a script that completes commands, options and peers",
  positionals: {
    shell: { doc: "that of the environment variable SHELL unless given", optional: true, choices: SHELLS },
  },
  options: NONE,
  examples: [
    ["trellis completion bash > /etc/bash_completion.d/trellis", "for everybody who uses bash"],
    ["trellis completion zsh > /usr/local/share/zsh/site-functions/_trellis", "for everybody who uses zsh"],
    ["trellis completion fish > /etc/fish/completions/trellis.fish", "for everybody who uses fish"],
  ],
  async run({ shell }) {
    console.log(completionScript(shell ?? basename(process.env.SHELL ?? "")));
  },
});

/** Throws `usage/shell`. */
export function completionScript(shell: string): string {
  const script = SCRIPTS[shell];
  if (script) return script;
  throw new TrellisError("usage/shell", `there is no completion for the shell "${shell}"`, {
    hint: `trellis completion ${SHELLS.join("|")}`,
  });
}

/** The lines for a shell that asks. Never fails: a shell has no place for errors while somebody is typing. */
export async function answerShell(words: readonly string[], commands: readonly Command[]): Promise<readonly string[]> {
  const { given, current, prefix, offer } = completionOf(words, commands);
  if (offer === "file") return [FILES];
  const found = offer === "peer" ? matching(await peersOf(given), current) : offer;
  return found.map(({ word, doc }) => `${prefix}${word}\t${doc}`);
}

/** Milliseconds: somebody is waiting with a finger on the key. */
const PATIENCE = 1000;

interface Known {
  readonly name: string;
  readonly address: string;
}

async function peersOf(given: Readonly<Record<string, string>>): Promise<readonly Candidate[]> {
  try {
    const { values } = settle(GLOBAL, [fromCommandLine(given), ...defaultSources(given.config)]);
    const { peers } = await call<{ peers: readonly Known[] }>(socketOf(values), "peers", {}, PATIENCE);
    return peers.map((p) => ({ word: p.name, doc: p.address }));
  } catch {
    return []; // no daemon here, or none that talks to this user: nothing to offer
  }
}
