import { fileURLToPath } from "node:url";

import { createWebGpuBackend } from "@kvtuner/backend-webgpu";
import { loadDecoder, loadTokenizer, openGguf } from "@kvtuner/decoder";
import { openFileSource } from "@kvtuner/decoder/node";
import { embeddedModelUrl } from "@kvtuner/embedded-model";
import { parseShorthand } from "@kvtuner/plan";
import { openRunner } from "kvtuner";
import { describe, expect, test } from "vitest";

import { findGpu } from "../src/model/gpu.ts";
import { createSession } from "../src/model/session.ts";
import { evaluatorLogits, largestDifference, runtimeLogits } from "./runtime-logits.ts";

const model = fileURLToPath(embeddedModelUrl);
const text = "o4=5758;w3=1346;f9=6048;h5=8818;m3=8777;n6=9271;k1=2210;b7=4036;c2=9915;d8=3307;e5=7164;\n?m3=8777;?b7=";
const cuts = [70, 71, 72, 90];

const found = await findGpu();
const adapter = await found?.gpu.requestAdapter();
// Where tools/vulkan.mjs found a driver there has to be an adapter.
const isSkipped = !adapter && process.env["KVTUNER_VULKAN"] === undefined;

describe.skipIf(isSkipped)("the embedded model on WebGPU (needs a Vulkan driver)", () => {
  test.each([
    ["float32", "none", 1e-3],
    ["float32", "per-token:K4V4+window8", 1e-3],
    ["float32", "kivi:K4V2+sinks4", 1e-3],
    ["float32", "compact:K3V3", 1e-3],
    ["float16", "none", 1e-2],
    ["float16", "kivi:K4V2+sinks4", 1e-2],
  ] as const)("kernels in %s give the logits of %s", async (arithmetic, name, tolerance) => {
    const source = await openFileSource(model);
    const gguf = await openGguf(source);
    const decoder = await loadDecoder(gguf, { createSession });
    const { layer } = parseShorthand(name);
    const layers = Array.from({ length: decoder.shape.layers }, () => layer);
    const ids = loadTokenizer(gguf).encode(text);
    const expected = await evaluatorLogits(decoder, ids, layers);
    const kernels = { specialized: false, float16: arithmetic === "float16", subgroups: false };
    const backend = await createWebGpuBackend({ gpu: found!.gpu, kernels });
    const cache = await backend.createCache(decoder.shape, { layers, shape: decoder.shape });
    const run = await runtimeLogits(decoder, cache, ids, cuts, expected);
    const largest = expected.logits.reduce((most, logit) => Math.max(most, Math.abs(logit)), 0);
    expect(largestDifference(expected.logits, run.logits) / largest).toBeLessThan(tolerance);
    await backend.dispose();
    await decoder.dispose();
    await source.close();
  });

  test("goes on with the reference's text, by the backend's name, for 200 tokens and more", async () => {
    const open = async (backend: string) =>
      openRunner({ model, plan: "kivi:K8V4+sinks4", backend, weights: "float32" });
    const [reference, webGpu] = [await open("cpu-reference"), await open("webgpu")];
    let tokens = 0;
    for (const prompt of ["the rider walks to ", "The ", "a"]) {
      const expected = await reference.generate({ prompt, maxTokens: 200 });
      const { text: got, cache, backend } = await webGpu.generate({ prompt, maxTokens: 200 });
      expect({ got, cache, backend }).toEqual({ got: expected.text, cache: expected.cache, backend: "webgpu" });
      tokens += expected.ids.length;
    }
    expect(tokens).toBeGreaterThan(200);
    await reference.dispose();
    await webGpu.dispose();
  });
});
