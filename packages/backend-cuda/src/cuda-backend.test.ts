import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { binaryPath, keepBinary, keptBinary } from "./compiler/binary-cache.ts";
import { kernelImage } from "./compiler/kernel-image.ts";
import { kernelSource } from "./compiler/kernel-source.ts";
import { ptxFingerprint, shippedPtx } from "./compiler/shipped-kernels.ts";
import { createCudaBackend } from "./cuda-backend.ts";
import { KERNELS } from "./device/device.ts";
import { assertLoaded } from "./driver/driver-result.ts";

const NOWHERE = "/nowhere/libcuda.so.1";

afterEach(() => {
  vi.unstubAllEnvs();
});

test("a machine without a driver is told so, with the library that is missing and what to do", async () => {
  await expect(createCudaBackend({ driver: NOWHERE })).rejects.toMatchObject({
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

  test("come as PTX where that is asked for, by the option or for programs that do not say", async () => {
    const { image, origin } = await kernelImage("kernels", "sm_90", { kernels: "ptx" });
    expect([origin, image.at(-1)]).toEqual(["ptx", 0]);
    vi.stubEnv("KVTUNER_CUDA_KERNELS", "ptx");
    vi.stubEnv("KVTUNER_NVRTC", "/nowhere/libnvrtc.so");
    expect((await kernelImage("kernels", "sm_90", {})).origin).toBe("ptx");
  });

  test.each(["auto", "nvrtc"] as const)("%s are refused where NVRTC was named, and is not there", async (kernels) => {
    for (const named of ["/nowhere/libnvrtc.so", ...notNvrtc()]) {
      vi.stubEnv("KVTUNER_NVRTC", named);
      await expect(kernelImage("kernels", "sm_90", { kernels })).rejects.toMatchObject({
        code: "CUDA_COMPILER_MISSING",
        message: expect.stringContaining(`cannot load NVRTC from KVTUNER_NVRTC=${named}`) as string,
      });
    }
  });

  test("of a kind that there is not are refused, by the option or the variable", async () => {
    const unknown = {
      code: "CUDA_KERNELS_UNKNOWN",
      message: expect.stringMatching(/^expected kernels to be "auto", .* got "cubin"; leave/) as string,
    };
    await expect(kernelImage("kernels", "sm_90", { kernels: "cubin" })).rejects.toMatchObject(unknown);
    vi.stubEnv("KVTUNER_CUDA_KERNELS", "cubin");
    await expect(kernelImage("kernels", "sm_90", {})).rejects.toMatchObject(unknown);
  });

  test("that the driver refuses are named, by their path where they are kept", () => {
    for (const result of [200, 209])
      expect(() => assertLoaded("/cache/0a1b.cubin", result)).toThrow(
        expect.objectContaining({
          code: "CUDA_ARCHITECTURE",
          message: expect.stringMatching(/cannot run \/cache\/0a1b\.cubin on this GPU; update .*gave 2/) as string,
        }),
      );
  });
});

/** An existing library without NVRTC's functions. */
const notNvrtc = (): readonly string[] => (process.platform === "linux" ? ["libm.so.6"] : []);

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

  test.each([
    ["cut short", (file: Buffer) => file.subarray(0, -1)],
    ["empty", () => Buffer.alloc(0)],
    ["changed", (file: Buffer) => file.fill(7, 0, 1)],
  ] as const)("are not taken from a file that is %s", (_how, spoil) => {
    keepBinary(folder, "a", Uint8Array.of(1, 2));
    writeFileSync(binaryPath(folder, "a"), spoil(readFileSync(binaryPath(folder, "a"))));
    expect(keptBinary(folder, "a")).toBeUndefined();
    keepBinary(folder, "a", Uint8Array.of(1, 2));
    expect([...keptBinary(folder, "a")!]).toEqual([1, 2]);
  });

  test("are done without where they cannot be kept", () => {
    writeFileSync(join(folder, "file"), "");
    const below = join(folder, "file", "folder");
    keepBinary(below, "a", Uint8Array.of(1));
    expect(keptBinary(below, "a")).toBeUndefined();
  });
});
