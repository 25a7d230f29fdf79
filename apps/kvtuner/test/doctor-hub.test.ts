import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { embeddedModelUrl } from "@kvtuner/embedded-model";
import { expect, test, vi } from "vitest";
import { startHubServer } from "../../../packages/hub/src/test-support/hub-server.ts";
import { doctorCommand } from "../src/cli/doctor.ts";
import { recordingTerminal } from "../src/cli/test-terminal.ts";

const SIGNAL = new AbortController().signal;

test("doctor shows the download of a model of the hub, and stops at the signal or offline", async () => {
  const home = mkdtempSync(join(tmpdir(), "kvtuner-doctor-"));
  const server = await startHubServer();
  server.set("owner/tiny-GGUF", { files: { "tiny.gguf": readFileSync(embeddedModelUrl) } });
  vi.stubEnv("HF_HOME", home);
  vi.stubEnv("HF_ENDPOINT", server.url);
  const terminal = recordingTerminal();
  const check = (signal: AbortSignal, ...flags: string[]): Promise<unknown> =>
    doctorCommand(terminal, signal).parseAsync(["hf:owner/tiny-GGUF", ...flags], { from: "user" });
  try {
    await expect(check(SIGNAL, "--offline")).rejects.toMatchObject({ code: "HUB_OFFLINE" });
    expect(server.seen).toHaveLength(0);
    await expect(check(AbortSignal.abort(new Error("stopped")))).rejects.toThrow("stopped");
    server.faults.push({ path: "tree", status: 429, headers: { "Retry-After": "0" } });
    await check(SIGNAL);
    expect(terminal.written.error).toMatch(/warning: the hub answered 429 [^]*downloading MB /);
    expect(terminal.written.out).toMatch(/^ok {6}architecture /);
  } finally {
    vi.unstubAllEnvs();
    await server.close();
    rmSync(home, { recursive: true });
  }
});
