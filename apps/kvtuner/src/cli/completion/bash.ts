import type { CommandWords, OptionWord, ProgramWords } from "./command-words.ts";

/** A bash script that completes the program's commands, options and choices, and otherwise files. */
export const bashCompletion = ({ name, options, commands }: ProgramWords): string => `\
_${name}() {
  local word=\${COMP_WORDS[COMP_CWORD]} before=\${COMP_WORDS[COMP_CWORD - 1]} words=
  if ((COMP_CWORD == 1)); then
    words='${commands.map(({ text }) => text).join(" ")}'
    [[ $word == -* ]] && words='${texts(options)}'
  else
    case \${COMP_WORDS[1]} in
${commands.map(commandCase).join("\n")}
    esac
  fi
  local IFS=$' \\n'
  COMPREPLY=($(compgen -W "$words" -- "$word"))
}
complete -o bashdefault -o default -F _${name} ${name}
`;

const texts = (options: readonly OptionWord[]): string => options.map(({ text }) => text).join(" ");

const commandCase = ({ text, options, choices }: CommandWords): string => `\
      ${text})
        words='${choices.join(" ")}'
        [[ $word == -* ]] && words='${texts(options)}'
${valueCases(options)}        ;;`;

/** An option's value comes after it, whatever it starts with. */
const valueCases = (options: readonly OptionWord[]): string => {
  const valued = options.filter(({ takesValue }) => takesValue);
  if (valued.length === 0) return "";
  const cases = valued.map(({ text, choices }) => `          ${text}) words='${choices.join(" ")}' ;;`);
  return `        case $before in\n${cases.join("\n")}\n        esac\n`;
};
