import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Duplex } from "node:stream";

/** A tab that can be hidden; Playwright tells all of its tabs that they are seen. */
export interface Tab {
  /** Evaluates an expression in the page. */
  evaluate(expression: string): Promise<unknown>;
  /** Waits until an expression is true. */
  until(expression: string): Promise<void>;
  /** Opens another tab in front. */
  hide(): Promise<void>;
  /** Stops a hidden page with all its tasks, as browsers do to save energy, or lets it go on. */
  setFrozen(isFrozen: boolean): Promise<void>;
  close(): Promise<void>;
}

/** Opens a page in a Chromium of its own, driven over its debugging pipe. */
export const openTab = async (executable: string, url: string): Promise<Tab> => {
  const profile = mkdtempSync(join(tmpdir(), "kvtuner-chromium-"));
  const flags = ["--headless", "--no-sandbox", "--enable-unsafe-webgpu", "--no-first-run"];
  const argv = [...flags, "--remote-debugging-pipe", `--user-data-dir=${profile}`, "about:blank"];
  const browser = spawn(executable, argv, { stdio: ["ignore", "ignore", "ignore", "pipe", "pipe"] });
  const send = pipeOf(browser);
  const { targetId } = await send("Target.createTarget", { url });
  const { sessionId } = await send("Target.attachToTarget", { targetId, flatten: true });
  const evaluate = async (expression: string): Promise<unknown> => {
    const options = { expression, returnByValue: true };
    const { result, exceptionDetails } = await send("Runtime.evaluate", options, sessionId as string);
    if (exceptionDetails) throw new Error(JSON.stringify(exceptionDetails));
    return (result as { readonly value?: unknown }).value;
  };
  return {
    evaluate,
    until: async (expression) => {
      // A page that is being loaded has nothing to evaluate in.
      while ((await evaluate(expression).catch(() => false)) !== true)
        await new Promise((resolve) => setTimeout(resolve, 50));
    },
    hide: async () => {
      const other = await send("Target.createTarget", { url: "about:blank" });
      await send("Target.activateTarget", other);
    },
    setFrozen: async (isFrozen) => {
      await send("Page.setWebLifecycleState", { state: isFrozen ? "frozen" : "active" }, sessionId as string);
    },
    close: async () => {
      const exited = new Promise((resolve) => browser.once("exit", resolve));
      browser.kill();
      await exited;
      rmSync(profile, { recursive: true, force: true, maxRetries: 5 });
    },
  };
};

interface Answer {
  readonly id?: number;
  readonly result?: Record<string, unknown>;
  readonly error?: { readonly message: string };
}

type Send = (method: string, params: object, sessionId?: string) => Promise<Record<string, unknown>>;

/** Messages are JSON, each ended by a zero byte. */
const pipeOf = ({ stdio }: ChildProcess): Send => {
  const [, , , input, output] = stdio as unknown as Duplex[];
  const waiting = new Map<number, (answer: Answer) => void>();
  let rest = "";
  output!.setEncoding("utf8").on("data", (piece: string) => {
    const messages = (rest + piece).split("\0");
    rest = messages.pop() ?? "";
    for (const answer of messages.map((message) => JSON.parse(message) as Answer))
      waiting.get(answer.id ?? 0)?.(answer);
  });
  let sent = 0;
  return async (method, params, sessionId) => {
    const id = ++sent;
    input!.write(`${JSON.stringify({ id, method, params, sessionId })}\0`);
    const { result, error } = await new Promise<Answer>((resolve) => waiting.set(id, resolve));
    if (error) throw new Error(`${method}: ${error.message}`);
    return result ?? {};
  };
};
