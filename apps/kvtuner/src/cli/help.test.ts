import type { Command } from "commander";
import { describe, expect, test } from "vitest";
import { interruptible } from "./interrupt.ts";
import { kvtunerProgram } from "./main.ts";
import { recordingTerminal } from "./test-terminal.ts";

const program = (): Command => {
  const terminal = recordingTerminal();
  const interrupt = interruptible(terminal);
  interrupt.dispose();
  return kvtunerProgram(terminal, interrupt);
};

const visibleCommands = (): readonly Command[] => {
  const whole = program();
  return whole
    .createHelp()
    .visibleCommands(whole)
    .filter((command) => command.name() !== "help");
};

const helpOf = (command: Command): string => {
  let text = "";
  command.configureOutput({ writeOut: (part) => void (text += part) }).outputHelp();
  return text;
};

const exampleLines = (help: string): string[] =>
  [...help.slice(help.indexOf("\nExamples:\n")).matchAll(/^ {2}(kvtuner .+)$/gm)].map(([, line = ""]) => line);

/** The words of a line as a shell splits it, without redirections. */
const wordsOf = (line: string): string[] =>
  [...line.replace(/ (<|>>?) .*$/, "").matchAll(/"([^"]*)"|(\S+)/g)].map(([, quoted, plain]) => quoted ?? plain ?? "");

/** Parses a line without running its action; returns the name of the command. */
const commandOf = async (line: string): Promise<string> => {
  const reached: string[] = [];
  const whole = program();
  for (const command of whole.commands) command.action(() => void reached.push(command.name()));
  await whole.parseAsync(wordsOf(line).slice(1), { from: "user" });
  return reached.join();
};

describe("--help", () => {
  test.for(visibleCommands().map((command) => [command.name(), command] as const))(
    "of %s has examples, and they parse",
    async ([name, command]) => {
      const lines = exampleLines(helpOf(command));
      expect(lines).not.toEqual([]);
      for (const line of lines) expect(await commandOf(line)).toBe(name);
    },
  );

  test("shows the default contexts of bench as a user types them", () => {
    const bench = visibleCommands().find((command) => command.name() === "bench");
    expect(bench && helpOf(bench).replaceAll(/\s+/g, " ")).toContain(
      "context lengths in tokens (default: 512,4096,8192,16384)",
    );
  });

  test.for(["tune x --windows 2", "tune x --window-length 64", "eval x --plan none --windows 2"])(
    "%s fails with the new name",
    async (line) => {
      await expect(commandOf(`kvtuner ${line}`)).rejects.toMatchObject({
        code: "OPTION_RENAMED",
        message: expect.stringMatching(/\(--sample(s|-length)\)/),
      });
    },
  );

  test("bench accepts the same plans as eval: a list, or one as JSON with commas", async () => {
    const whole = program();
    const bench = whole.commands.find((command) => command.name() === "bench");
    const plan = '{"version":1,"layers":[]}';
    bench?.action(() => undefined);
    await whole.parseAsync(["bench", "smollm2", "--plan", plan], { from: "user" });
    expect(bench?.opts()["plan"]).toEqual([plan]);
  });

  test("an example with an unknown option does not parse", async () => {
    await expect(commandOf("kvtuner tune smollm2 --bitz 4")).rejects.toThrow(/unknown option/);
    await expect(commandOf('kvtuner run smollm2 --prompt "a b"')).rejects.toThrow(/--plan/);
  });
});
