import { KvtunerError } from "@kvtuner/plan";
import type { BackendModule } from "../backend-under-test.ts";

/** The parts of Node used here, if present. Not imported, so that browsers and bundlers can load this file. */
interface NodeProcess {
  readonly execPath: string;
  readonly getBuiltinModule: (name: string) => unknown;
}

interface ChildProcess {
  readonly execFile: (
    file: string,
    args: readonly string[],
    options: { readonly cwd: string; readonly maxBuffer: number },
    done: (error: Error | null, output: string, errors: string) => void,
  ) => { readonly stdin: { end: (text: string) => void } };
}

const nodeProcess = (): NodeProcess | undefined => {
  const { process } = globalThis as { readonly process?: Partial<NodeProcess> };
  return process?.getBuiltinModule && process.execPath ? (process as NodeProcess) : undefined;
};

/** True in Node, where another process can be started. */
export const canStartProcess = (): boolean => nodeProcess() !== undefined;

/**
 * Runs a module's source in a new Node process, in the folder of the backend's module so that it finds the same packages.
 * Passes `input` as JSON on stdin and parses its output as JSON.
 *
 * @throws ProcessError `BACKEND_OTHER_PROCESS` when the process fails
 */
export const runInOtherProcess = (source: string, input: object, module: BackendModule): Promise<unknown> => {
  const node = nodeProcess()!;
  const { execFile } = node.getBuiltinModule("node:child_process") as ChildProcess;
  const { fileURLToPath } = node.getBuiltinModule("node:url") as { readonly fileURLToPath: (url: URL) => string };
  const args = [...(module.nodeOptions ?? []), "--input-type=module", "--eval", source];
  const options = { cwd: fileURLToPath(new URL(".", module.url)), maxBuffer: 2 ** 28 };
  return new Promise((resolve, reject) => {
    const child = execFile(node.execPath, args, options, (cause, output, errors) => {
      if (cause) reject(new ProcessError(errors, { cause }));
      else resolve(JSON.parse(output));
    });
    child.stdin.end(JSON.stringify(input));
  });
};

/** The other process failed; the message contains its output. */
export class ProcessError extends KvtunerError {
  constructor(errors: string, options: { readonly cause: Error }) {
    super(
      "BACKEND_OTHER_PROCESS",
      `expected another process to restore the snapshot, it failed:\n${errors.slice(0, 4000)}`,
      options,
    );
    this.name = "ProcessError";
  }
}
