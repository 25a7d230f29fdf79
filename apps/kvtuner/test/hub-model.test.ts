import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { type HubServer, startHubServer } from "../../../packages/hub/src/test-support/hub-server.ts";
import { buildCli, start, type Finished } from "./built-cli.ts";
import { tinyModelParts, writeTinyModel } from "./tiny-model.ts";

const TOKEN = "hf_secretSecretSecret";
const MODEL = "hf:owner/tiny-GGUF";

const folder = mkdtempSync(join(tmpdir(), "kvtuner-hub-cli-"));
const local = join(folder, "tiny.gguf");
const text = join(folder, "text.txt");
const SMALL = ["--text", text, "--samples", "1", "--sample-length", "32", "--context", "64"];
const TUNE = [...SMALL, "--pairs", "K8V8,K2V2", "--evaluations", "2"];

let server: HubServer;
let script = "";
/** Everything that the commands of a test wrote. */
let written = "";

beforeAll(async () => {
  writeTinyModel(local);
  writeFileSync(text, "The quick brown fox jumps over the lazy dog. ".repeat(40));
  server = await startHubServer();
  const [first, second] = tinyModelParts([5, 0]);
  const parts = { "parts/tiny-00001-of-00002.gguf": first!, "parts/tiny-00002-of-00002.gguf": second! };
  server.set("owner/tiny-GGUF", { files: { "tiny-Q4.gguf": readFileSync(local), ...parts }, token: TOKEN });
  script = await buildCli();
}, 120_000);

afterAll(async () => {
  await server.close();
  rmSync(folder, { recursive: true });
  if (script !== "") rmSync(dirname(script), { recursive: true });
});

beforeEach(() => {
  written = "";
  server.faults.length = 0;
});
afterEach(() => expect(written).not.toContain(TOKEN));

const kvtuner = async (argv: readonly string[], environment: Record<string, string> = {}): Promise<Finished> => {
  const hub = { HF_HOME: join(folder, "hf"), HF_ENDPOINT: server.url, HF_TOKEN: TOKEN };
  const finished = await start(script, argv, { KVTUNER_HOME: folder, ...hub, ...environment }).finished;
  written += finished.stdout + finished.stderr;
  return finished;
};

describe("a model of the hub", () => {
  test("is tuned, with its commit in plan, study and printed command, and then runs without a network", async () => {
    const out = join(folder, "study");
    const source = `${MODEL}:tiny-Q4.gguf@${server.commitOf("owner/tiny-GGUF")}`;
    const tuned = await kvtuner(["tune", `${MODEL}:Q4`, "--out", out, ...TUNE]);
    expect(tuned).toMatchObject({
      code: 0,
      stderr: expect.stringMatching(/downloading MB 1\/1, tiny-Q4\.gguf to .* free/),
    });
    const read = (file: string): unknown => JSON.parse(readFileSync(join(out, file), "utf8"));
    expect(read("plan.json")).toMatchObject({
      model: { source, sha256: server.hashOf("owner/tiny-GGUF", "tiny-Q4.gguf") },
    });
    expect(JSON.stringify(read("settings.json"))).toContain(source);
    expect(readFileSync(join(out, "report.html"), "utf8")).toContain(`tune ${source}`);

    // The same file from this disk is the same study.
    expect(await kvtuner(["tune", local, "--out", out, ...TUNE])).toMatchObject({ code: 0 });

    const seen = server.seen.length;
    const run = ["--plan", join(out, "plan.json"), "--prompt", "The fox", "--max-tokens", "4", "--json"];
    const [offline, pinned] = [
      await kvtuner(["run", `${MODEL}:Q4`, ...run, "--offline"]),
      await kvtuner(["run", source, ...run]),
    ];
    expect(JSON.parse(offline.stdout).text).toBe(JSON.parse(pinned.stdout).text);
    expect(server.seen).toHaveLength(seen);
  });

  test("is inspected, evaluated and timed, in one file or in parts", async () => {
    const parts = `${MODEL}:parts/tiny-00002-of-00002.gguf`;
    const inspected = await kvtuner(["inspect", parts, "--json"]);
    expect(JSON.parse(inspected.stdout)).toMatchObject({
      kind: "model",
      model: { source: expect.stringContaining("00001-of-00002.gguf@") },
    });
    const argv = ["--plan", "kivi:K4V2", ...SMALL, "--json", "--quiet"];
    const scored = await kvtuner(["eval", parts, ...argv]);
    expect(JSON.parse(scored.stdout)).toEqual(JSON.parse((await kvtuner(["eval", local, ...argv])).stdout));
    const bench = [
      "--plan",
      "none",
      "--context",
      "8",
      "--rounds",
      "1",
      "--tokens",
      "1",
      "--no-float",
      "--fill",
      "synthetic",
    ];
    expect(await kvtuner(["bench", parts, ...bench, "--offline"])).toMatchObject({ code: 0 });
  });

  test("that cannot be had is an error in one line, and a wait is a warning", async () => {
    const error = async (name: string, environment?: Record<string, string>): Promise<string> => {
      const { code, stdout, stderr } = await kvtuner(["inspect", name], environment);
      expect([code, stdout]).toEqual([2, ""]);
      return stderr;
    };
    expect(await error(MODEL)).toMatch(
      /^error \[HUB_FILE\]: .*parts\/tiny-00001-of-00002\.gguf \(2 parts, .* KB\), tiny-Q4\.gguf \(.* KB\)\n$/,
    );
    expect(await error("hf:owner/none", { HF_TOKEN: "" })).toMatch(/^error \[HUB_REPOSITORY\]: .*HF_TOKEN/);
    expect(await error(`${MODEL}@v2`, { HF_HUB_OFFLINE: "1" })).toMatch(/^error \[HUB_OFFLINE\]: /);
    expect(await error("hf:owner")).toMatch(/^error \[HUB_NAME\]: /);
    server.faults.push({ path: "tree", status: 429, headers: { "Retry-After": "0" } });
    expect(await error(MODEL)).toMatch(/^warning: the hub answered 429 .*\nerror \[HUB_FILE\]/);
    server.faults.push({ path: "revision", status: 403, headers: { "X-Error-Message": TOKEN } });
    expect(await error(MODEL)).toMatch(/^error \[HUB_FORBIDDEN\]: /);
  });
});
