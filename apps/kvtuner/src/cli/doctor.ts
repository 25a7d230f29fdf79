import { KvtunerError } from "@kvtuner/plan";
import { callbacksOf, type Given } from "@kvtuner/tuning";
import { Command } from "commander";
import { diagnose, type Finding } from "../doctor/checks.ts";
import { type Machine, thisMachine } from "../doctor/machine.ts";
import { diagnoseModel } from "../doctor/model.ts";
import { resolveModel } from "../model/resolve.ts";
import { DOCTOR_OPTIONS, JSON_OPTION } from "../options.ts";
import { examples } from "./examples.ts";
import { withOptions } from "./options.ts";
import { progressView } from "./progress-view.ts";
import { type Piece, type Terminal, warn } from "./terminal.ts";

const FLAGS = { ...DOCTOR_OPTIONS, ...JSON_OPTION };

/** `kvtuner doctor [MODEL]`. */
export const doctorCommand = (terminal: Terminal, signal: AbortSignal, machine: Machine = thisMachine()): Command =>
  withOptions(new Command("doctor"), FLAGS)
    .description("check what KVTuner can use on this machine, or whether it can run a model file")
    .argument(
      "[model]",
      "GGUF file, directory with an ONNX model, hf:OWNER/NAME or model name to check instead of the machine",
    )
    .addHelpText("after", EXAMPLES)
    .action(async (model: string | undefined, { json, ...options }: Given<typeof FLAGS>) => {
      const view = progressView(terminal, false);
      const onWarning = (message: string): void => warn(terminal, message);
      const access = { ...options, ...callbacksOf({ onProgress: view.show, onWarning, signal }) };
      const findings =
        model === undefined
          ? await diagnose(machine)
          : await diagnoseModel(await resolveModel(model, access).finally(view.end), machine.memory().availableBytes);
      terminal.out(...(json === true ? [JSON.stringify({ findings }), "\n"] : describe(findings, terminal)));
      const problems = findings.filter(({ status }) => status === "problem");
      if (problems.length > 0) throw new DoctorError(problems, model === undefined ? "a machine" : "a model");
    });

const EXAMPLES = examples([
  ["kvtuner doctor", "findings and what to do about them"],
  ["kvtuner doctor model.gguf", "whether a model can be run, what is missing, and the memory it needs"],
  ["kvtuner doctor --json", "the same as JSON, to attach to a bug report"],
]);

const describe = (findings: readonly Finding[], { paint }: Terminal): Piece[] => {
  const marks = {
    ok: paint(["green"], "ok     "),
    absent: paint(["dim"], "absent "),
    warning: paint(["yellow"], "warning"),
    problem: paint(["red"], "PROBLEM"),
  };
  const width = Math.max(...findings.map(({ name }) => name.length));
  const indent = " ".repeat(8);
  return findings.flatMap(({ name, status, found, message, remedy }) => [
    marks[status],
    " ",
    paint(["bold"], name.padEnd(width)),
    `  ${found}\n${indent}${message}\n`,
    ...(remedy === undefined ? [] : [`${indent}-> ${remedy}\n`]),
  ]);
};

/** KVTuner cannot run here, or not this model. The report is printed before this is thrown. */
export class DoctorError extends KvtunerError {
  constructor(problems: readonly Finding[], subject: string) {
    const list = problems.map(({ name, found }) => `${name}: ${found}`).join("; ");
    super(
      "DOCTOR_PROBLEM",
      `expected ${subject} that works with KVTuner, got ${problems.length === 1 ? "a problem" : `${problems.length} problems`} (${list}); follow the report's advice`,
    );
    this.name = "DoctorError";
  }
}
