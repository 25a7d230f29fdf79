import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { KvtunerError } from "@kvtuner/plan";
import type { PeerAnswer, PeerMethods } from "./protocol.ts";

/** Node's arguments to run the sources of this checkout, and the program that runs llama.cpp. */
const PROGRAM = [
  "--import",
  fileURLToPath(new URL("../../tools/typescript-loader.mjs", import.meta.url)),
  fileURLToPath(new URL("serve.mjs", import.meta.url)),
];

/** llama.cpp in its own process: unsupported types may crash it, and it has threads of its own. */
export interface PeerProcess {
  call<Method extends keyof PeerMethods>(
    method: Method,
    request: Parameters<PeerMethods[Method]>[0],
  ): Promise<Awaited<ReturnType<PeerMethods[Method]>>>;
  /** Ends the process. */
  end(): Promise<void>;
}

/** Starts the process; `signal` ends it. */
export const startPeer = (signal: AbortSignal | undefined): PeerProcess => {
  const child = spawn(process.execPath, PROGRAM, {
    stdio: ["ignore", "ignore", "pipe", "ipc"],
    serialization: "advanced",
    ...(signal && { signal, killSignal: "SIGKILL" as const }),
  });
  child.on("error", () => undefined);
  const said = lastWords(child);
  return {
    call: async (method, request) => {
      const answer = await answerOf(child, { method, request }, said);
      if ("error" in answer) throw new PeerError("PEER_FAILED", `llama.cpp: ${answer.error}`);
      return answer.result as never;
    },
    end: async () => {
      if (child.exitCode !== null || child.signalCode !== null) return;
      child.kill("SIGKILL");
      await once(child, "exit");
    },
  };
};

const answerOf = (child: ChildProcess, call: object, said: () => string): Promise<PeerAnswer> =>
  new Promise((resolve, reject) => {
    const gone = (): void => reject(new PeerError("PEER_GONE", `llama.cpp's process ended: ${said()}`));
    if (!child.connected) return gone();
    child.once("exit", gone);
    child.once("message", (answer: PeerAnswer) => {
      child.off("exit", gone);
      resolve(answer);
    });
    child.send(call);
  });

/** The last line of what a process wrote to stderr. */
const lastWords = (child: ChildProcess): (() => string) => {
  let tail = "";
  child.stderr?.setEncoding("utf8").on("data", (text: string) => {
    tail = (tail + text).slice(-2000);
  });
  return () => tail.trim().split("\n").at(-1) || "it said nothing";
};

/** llama.cpp refused a request, or crashed. */
export class PeerError extends KvtunerError {
  override readonly name = "PeerError";
}
