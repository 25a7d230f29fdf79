import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Command, Option } from "commander";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { completionCommand } from "./completion.ts";
import { recordingTerminal } from "./test-terminal.ts";

const folder = mkdtempSync(join(tmpdir(), "kvtuner-completion-"));

const script = (shell: string): string => {
  const terminal = recordingTerminal();
  const tune = new Command("tune")
    .description("find plans: the layer's best [slow]")
    .argument("<model>")
    .addOption(new Option("--mode <mode>", "how pairs are stored: [all]").choices(["per-token", "kivi"]))
    .option("--out <dir>", "the study's folder")
    .option("--json", "print JSON");
  new Command("kvtuner")
    .version("1.0.0", "--version", "print the version")
    .addCommand(tune)
    .addCommand(new Command("served"), { hidden: true })
    .addCommand(completionCommand(terminal))
    .parse(["completion", shell], { from: "user" });
  return terminal.written.out;
};

const isInstalled = (shell: string): boolean => {
  try {
    execFileSync(shell, ["-c", "true"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
};

const write = (shell: string): string => {
  const path = join(folder, shell);
  writeFileSync(path, script(shell));
  return path;
};

const run = (shell: string, argv: readonly string[]): string[] =>
  execFileSync(shell, argv, { encoding: "utf8", cwd: folder }).split("\n").filter(Boolean).sort();

const quoted = (words: readonly string[]): string => words.map((word) => `'${word}'`).join(" ");

/** What bash and fish offer after a line, sorted. zsh needs a terminal; {@link asksInZsh} says what it asks for. */
const OFFERS: Readonly<Record<string, (line: string) => string[]>> = {
  bash: (line) => {
    const words = line.split(" ");
    const typed = `COMP_WORDS=(${quoted(words)}); COMP_CWORD=${words.length - 1}`;
    return run("bash", ["-c", `source ${write("bash")}; ${typed}; _kvtuner; printf '%s\\n' "\${COMPREPLY[@]}"`]);
  },
  fish: (line) =>
    run("fish", ["-c", `source ${write("fish")}; complete -C '${line}'`]).map((offer) => offer.split("\t")[0] ?? ""),
};

const asksInZsh = (line: string): string[] => {
  const words = line.split(" ");
  const stubs = `compdef() { :; }; _arguments() { print -rl -- "$@"; }; _describe() { print -rl -- "\${(@P)2}"; }`;
  const typed = `words=(${quoted(words)}); CURRENT=${words.length}`;
  return run("zsh", ["-fc", `${stubs}; source ${write("zsh")}; ${typed}; _kvtuner`]);
};

beforeAll(() => writeFileSync(join(folder, "model.gguf"), ""));
afterAll(() => rmSync(folder, { recursive: true }));

describe.for(Object.entries(OFFERS))("completion in %s", ([shell, offers]) => {
  test.skipIf(!isInstalled(shell))("offers commands, options of the command, and choices of an option", () => {
    expect(offers("kvtuner tu")).toEqual(["tune"]);
    expect(offers("kvtuner ").filter((word) => !word.startsWith("-"))).toEqual(["completion", "help", "tune"]);
    expect(offers("kvtuner --v")).toEqual(["--version"]);
    expect(offers("kvtuner tune --")).toEqual(expect.arrayContaining(["--json", "--mode", "--out"]));
    expect(offers("kvtuner tune --mode ")).toEqual(["kivi", "per-token"]);
    expect(offers("kvtuner tune --mode k")).toEqual(["kivi"]);
    expect(offers("kvtuner completion z")).toEqual(["zsh"]);
  });
});

describe("completion", () => {
  test("leaves files to bash", () => {
    expect(OFFERS["bash"]?.("kvtuner tune mod")).toEqual([]);
    expect(OFFERS["bash"]?.("kvtuner tune --out mod")).toEqual([]);
    expect(script("bash")).toMatch(/^complete -o bashdefault -o default -F _kvtuner kvtuner$/m);
  });

  test.skipIf(!isInstalled("fish"))("leaves files to fish", () => {
    expect(OFFERS["fish"]?.("kvtuner tune mod")).toEqual(["model.gguf"]);
    expect(OFFERS["fish"]?.("kvtuner tune --out mod")).toEqual(["model.gguf"]);
  });

  test.skipIf(!isInstalled("zsh"))("asks zsh for the same, described", () => {
    expect(asksInZsh("kvtuner ")).toContain("tune:find plans: the layer's best [slow]");
    expect(asksInZsh("kvtuner tune ")).toEqual(
      expect.arrayContaining([
        "--json[print JSON]",
        String.raw`--mode[how pairs are stored\: \[all\]]:value:(per-token kivi)`,
        "--out[the study's folder]:value:_files",
        "*:argument:_files",
      ]),
    );
    expect(asksInZsh("kvtuner completion ")).toContain("*:argument:(bash zsh fish)");
  });
});
