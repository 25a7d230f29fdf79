import { setFlagsFromString } from "node:v8";
import { expect, it } from "vitest";
import { compareOnGpu } from "../gqa/gpu-comparison.mjs";

// Compiling ONNX Runtime's WebAssembly with optimizations would take longer than running it here.
setFlagsFromString("--no-wasm-tier-up");
setFlagsFromString("--no-wasm-dynamic-tiering");

it("compares our attention with onnxruntime's on one device, and both with the reference", async (context) => {
  const printed: string[] = [];
  const sizes = ["--length", "200", "--batch", "2", "--shape", "4/2/64", "--rounds", "1", "--calls", "1"];
  const rows = await compareOnGpu([...sizes, "--plans", "none,kivi:K4V2"], (text) => printed.push(text));
  if (!rows && !process.env["KVTUNER_VULKAN"]) return context.skip("no Vulkan driver");
  expect(rows?.refused).toEqual([]);
  const names = rows?.timed.map(({ name }) => name);
  expect(names?.map((name) => name.replace(/\b(16|32) bits/, "whole numbers"))).toEqual([
    "none",
    "kivi:K4V2",
    "onnxruntime, whole numbers",
    "onnxruntime, 8 bits",
    "onnxruntime, 4 bits",
  ]);
  for (const { error, totalMs } of rows?.timed ?? []) {
    expect(error).toBeGreaterThan(0);
    expect(totalMs).toBeGreaterThan(0);
  }
  for (const name of names ?? []) expect(printed.at(-1)).toContain(`| ${name} |`);
});
