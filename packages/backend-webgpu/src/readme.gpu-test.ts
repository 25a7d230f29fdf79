import { afterEach, expect, it, vi } from "vitest";
import { nodeGpu, testDevice } from "./test-support/node-gpu.ts";

const { skipped } = await testDevice();

afterEach(() => {
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
});

it.skipIf(skipped)(`the README's example runs on a device${skipped ? ` (${skipped})` : ""}`, async () => {
  vi.stubGlobal("navigator", { gpu: nodeGpu });
  const log = vi.spyOn(console, "log");
  await import(/* @vite-ignore */ new URL("../README.example.ts", import.meta.url).pathname);
  expect(log).not.toHaveBeenCalled();
});
