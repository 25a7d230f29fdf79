import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { keepBinary, keptBinary } from "./compiler/binary-cache.ts";
import { kernelImage } from "./compiler/kernel-image.ts";
import { kernelSource } from "./compiler/kernel-source.ts";
import { ptxFingerprint, shippedPtx } from "./compiler/shipped-kernels.ts";
import { createCudaBackend } from "./cuda-backend.ts";
import { KERNELS } from "./device/device.ts";

const nowhere = "/nowhere/libcuda.so.1";

afterEach(() => {
  vi.unstubAllEnvs();
});

test("a machine without a driver is told so, with the library that is missing and what to do", async () => {
  await expect(createCudaBackend({ driver: nowhere })).rejects.toMatchObject({
    code: "CUDA_DRIVER_MISSING",
    message: expect.stringMatching(/libcuda\.so\.1.*install driver 580/) as string,
    cause: expect.any(Error) as Error,
  });
});

test.runIf(process.platform === "linux")("a driver that lacks functions is told to be too old", async () => {
  await expect(createCudaBackend({ driver: "libm.so.6" })).rejects.toMatchObject({
    code: "CUDA_DRIVER_TOO_OLD",
    message: expect.stringMatching(/got one that lacks functions; install driver 580/) as string,
  });
});

describe("kernels", () => {
  test.each(["kernels", "tensor-cores"] as const)("are shipped as PTX that was made of the sources: %s", (module) => {
    const [mark, ...lines] = new TextDecoder().decode(shippedPtx(module)).split("\n");
    expect(mark, "out of date: npm run build:ptx").toBe(`// ${ptxFingerprint(module)}`);
    const entries = lines.join("\n").matchAll(/\.entry (\w+)\(/g);
    expect(new Set(Array.from(entries, ([, name]) => name))).toEqual(new Set(KERNELS[module]));
  });

  test("are one source with every header once", () => {
    const source = kernelSource("kernels");
    expect(source).not.toMatch(/#include "(?!cuda-on-cpu)/);
    expect(source.match(/struct TensorView \{/g)).toHaveLength(1);
  });

  test("come as PTX where NVRTC is missing, or are refused where it was asked for", async () => {
    vi.stubEnv("KVTUNER_NVRTC", "/nowhere/libnvrtc.so");
    const { image, origin } = await kernelImage("kernels", "sm_90", {});
    expect([origin, image.at(-1)]).toEqual(["ptx", 0]);
    await expect(kernelImage("kernels", "sm_90", { kernels: "nvrtc" })).rejects.toMatchObject({
      code: "CUDA_COMPILER_MISSING",
      message: expect.stringContaining("/nowhere/libnvrtc.so") as string,
    });
  });
});

describe("compiled kernels", () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "kvtuner-cuda-"));
  });
  afterEach(() => {
    rmSync(folder, { recursive: true });
  });

  test("are kept by key", () => {
    expect(keptBinary(folder, "a")).toBeUndefined();
    keepBinary(folder, "a", Uint8Array.of(1, 2));
    expect([...keptBinary(folder, "a")!]).toEqual([1, 2]);
    expect(keptBinary(folder, "b")).toBeUndefined();
  });

  test("are done without where they cannot be kept", () => {
    writeFileSync(join(folder, "file"), "");
    const below = join(folder, "file", "folder");
    keepBinary(below, "a", Uint8Array.of(1));
    expect(keptBinary(below, "a")).toBeUndefined();
  });
});
