import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { embeddedModelUrl, embeddedTexts } from "@kvtuner/embedded-model";
import { layerScheme, planBytes } from "@kvtuner/plan";
import { bench, tune } from "kvtuner";
import { afterAll, describe, expect, test } from "vitest";
import { findGpu } from "../src/model/gpu.ts";

const model = fileURLToPath(embeddedModelUrl);
const shape = { layers: 6, queryHeads: 4, kvHeads: 2, headSize: 32 };
const folder = mkdtempSync(join(tmpdir(), "kvtuner-webgpu-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const found = await findGpu();
const adapter = await found?.gpu.requestAdapter();
// Where tools/vulkan.mjs found a driver there has to be an adapter.
const isSkipped = !adapter && process.env["KVTUNER_VULKAN"] === undefined;

describe.skipIf(isSkipped)("commands with --backend webgpu (need a Vulkan driver)", () => {
  test.each(["text", "synthetic"] as const)(
    "bench times plans on caches that are filled with a %s one",
    async (fill) => {
      const warnings: string[] = [];
      const result = await bench({
        model,
        plans: ["kivi:K4V2", "none"],
        backend: "webgpu",
        contexts: [80],
        rounds: 1,
        tokens: 2,
        float: false,
        fill,
        onWarning: (message) => warnings.push(message),
      });
      expect({ backend: result.backend, warnings }).toEqual({ backend: "webgpu", warnings: [] });
      const kivi = Array.from({ length: shape.layers }, () => layerScheme("kivi", { key: 4, value: 2 }));
      const [{ variants }] = result.contexts as [(typeof result.contexts)[0]];
      expect(variants.map(({ name, threads, cacheBytes }) => ({ name, threads, cacheBytes }))).toEqual([
        { name: "kivi:K4V2", threads: 1, cacheBytes: planBytes({ shape, layers: kivi }, 80).total },
        { name: "none", threads: 1, cacheBytes: 80 * shape.layers * 2 * shape.kvHeads * shape.headSize * 2 },
      ]);
      for (const { decode, prefill } of variants) {
        expect(decode.samples).toBe(2);
        expect(prefill !== undefined).toBe(fill === "text");
      }
    },
  );

  test("tune verifies the picked plan on the GPU's cache, token by token", async () => {
    const warnings: string[] = [];
    const { verified, picked } = await tune({
      model,
      out: join(folder, "study"),
      mode: "kivi",
      pairs: ["K8V4", "K4V4", "K2V2"],
      samples: 1,
      sampleLength: 96,
      evaluations: 6,
      text: fileURLToPath(embeddedTexts.calibration),
      limit: { kind: "bits", bits: 6 },
      verify: true,
      backend: "webgpu",
      onWarning: (message) => warnings.push(message),
    });
    expect(verified).toMatchObject({ backend: "webgpu", agrees: true, evaluatedKl: picked.kl });
    expect(verified?.kl).toBeGreaterThan(0);
    expect(warnings).toEqual([]);
  });
});
