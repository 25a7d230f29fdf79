import type { CommandWords, OptionWord, ProgramWords, Word } from "./command-words.ts";

/** A zsh script that completes the program's commands, options and choices with descriptions, and otherwise files. */
export const zshCompletion = ({ name, options, commands }: ProgramWords): string => `\
#compdef ${name}
_${name}() {
  if ((CURRENT == 2)); then
    if [[ $words[2] == -* ]]; then
      _arguments ${options.map(optionSpec).join(" ")}
    else
      local -a commands=(${commands.map(commandSpec).join(" ")})
      _describe command commands
    fi
    return
  fi
  local command=$words[2]
  shift words
  ((CURRENT--))
  case $command in
${commands.map(commandCase).join("\n")}
  esac
}
if [[ $zsh_eval_context[-1] == loadautofunc ]]; then
  _${name} "$@"
else
  compdef _${name} ${name}
fi
`;

const commandCase = ({ text, options, choices }: CommandWords): string => `\
    ${text})
      _arguments \\
        ${[...options.map(optionSpec), quoted(`*:argument:${action(choices)}`)].join(" \\\n        ")} ;;`;

const commandSpec = ({ text, description }: Word): string => quoted(`${text}:${description}`);

const optionSpec = ({ text, description, takesValue, choices }: OptionWord): string =>
  quoted(
    `${text}[${description.replaceAll(/[[\]:\\]/g, String.raw`\$&`)}]${takesValue ? `:value:${action(choices)}` : ""}`,
  );

const action = (choices: readonly string[]): string => (choices.length > 0 ? `(${choices.join(" ")})` : "_files");

const quoted = (text: string): string => `'${text.replaceAll("'", String.raw`'\''`)}'`;
