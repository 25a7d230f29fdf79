import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { fetchNvrtc } from "../../tools/fetch-nvrtc.mjs";
import { KERNELS } from "../device/device.ts";
import { cubinUsage } from "../test-support/cubin-usage.ts";
import { mostSharedBytes } from "../test-support/most-shared-bytes.ts";
import { kernelImage } from "./kernel-image.ts";
import { openCompiler } from "./nvrtc.ts";

/**
 * Kernels of attention set their blocks per multiprocessor by `__launch_bounds__`, so the compiler always keeps to 128 or
 * 168 registers. Whatever does not fit spills to the stack: the limit on the stack can fail.
 */
const OTHER_REGISTERS = 96;
const BOUNDED_REGISTERS = 168;

/** Most stack bytes of a thread over all architectures, slightly above today's. */
const STACK_BYTES: Readonly<Record<string, number>> = {
  attend_1_row: 0,
  attend_4_rows: 32,
  attend_8_rows: 96,
  attend_8_rows_on_tensor_cores: 0,
};
const OTHER_STACK_BYTES = 16;

/** Shared memory that the driver reserves per block, reported from sm_90 on. Kernels request all of theirs at launch. */
const RESERVED_BYTES = 1024;

/** Shared memory requested at launch, at the shape that needs most. */
const LAUNCH_BYTES: Readonly<Record<string, number>> = {
  attend_1_row: 39 * 1024,
  attend_4_rows: 48 * 1024,
  attend_8_rows: 48 * 1024,
  attend_8_rows_on_tensor_cores: 41 * 1024,
};
const OTHER_LAUNCH_BYTES = 8192;

/** Blocks that should fit on a multiprocessor: as in the kernels' `__launch_bounds__`, which only consider registers. */
const BLOCKS: Readonly<Record<string, number>> = {
  attend_1_row: 4,
  attend_4_rows: 4,
  attend_8_rows: 3,
  attend_8_rows_on_tensor_cores: 3,
};

/** The head size of most models. Larger ones fit fewer blocks on multiprocessors with little shared memory. */
const HEAD_SIZE = 128;

/** Shared memory of a multiprocessor. Source: CUDA C++ Programming Guide, technical specifications by compute capability. */
const MULTIPROCESSOR_BYTES = { sm_80: 164 * 1024, sm_90: 228 * 1024, sm_100: 228 * 1024, sm_120: 100 * 1024 };

const CASES = (["sm_80", "sm_90", "sm_100", "sm_120"] as const).flatMap((architecture) =>
  (["kernels", "tensor-cores"] as const).map((module) => [architecture, module] as const),
);

const findNvrtc = (): { readonly path?: string; readonly reason?: string } => {
  try {
    return { path: fetchNvrtc() };
  } catch (error) {
    return { reason: `no NVRTC: ${(error as Error).message}` };
  }
};
const { path, reason } = findNvrtc();

describe.skipIf(reason)(`kernels compiled by NVRTC${reason ? ` (${reason})` : ""}`, () => {
  let cacheFolder: string;
  beforeAll(() => {
    vi.stubEnv("KVTUNER_NVRTC", path);
    cacheFolder = mkdtempSync(join(tmpdir(), "kvtuner-cuda-"));
  });
  afterAll(() => {
    vi.unstubAllEnvs();
    rmSync(cacheFolder, { recursive: true });
  });

  test.each(CASES)("once for %s keep to their registers and their shared memory: %s", async (architecture, module) => {
    const { image, origin } = await kernelImage(module, architecture, { cacheFolder });
    const files = readdirSync(cacheFolder);
    const usage = cubinUsage(image);
    const launch = { most: mostSharedBytes(), usual: mostSharedBytes([HEAD_SIZE]) };
    console.table(
      KERNELS[module].map((kernel) => ({
        kernel,
        ...usage.get(kernel),
        launchBytes: launch.most[kernel],
        [`launchBytes of ${HEAD_SIZE}`]: launch.usual[kernel],
      })),
    );
    expect(origin).toBe("nvrtc");
    expect(new Set(usage.keys())).toEqual(new Set(KERNELS[module]));
    for (const name of KERNELS[module]) {
      const { registers, stackBytes, sharedBytes } = usage.get(name)!;
      const most = name in STACK_BYTES ? BOUNDED_REGISTERS : OTHER_REGISTERS;
      expect(registers, `registers of ${name}`).toBeLessThanOrEqual(most);
      expect(stackBytes, `stack of ${name}`).toBeLessThanOrEqual(STACK_BYTES[name] ?? OTHER_STACK_BYTES);
      expect(sharedBytes, `shared memory of ${name}`).toBeLessThanOrEqual(RESERVED_BYTES);
      expect(launch.most[name], `shared memory at launch of ${name}`).toBeLessThanOrEqual(
        LAUNCH_BYTES[name] ?? OTHER_LAUNCH_BYTES,
      );
      const blocks = Math.floor(MULTIPROCESSOR_BYTES[architecture] / (launch.usual[name] + RESERVED_BYTES));
      expect(blocks, `blocks of ${name} side by side`).toBeGreaterThanOrEqual(BLOCKS[name] ?? 1);
    }
    const kept = await kernelImage(module, architecture, { cacheFolder });
    expect(Buffer.compare(kept.image, image)).toBe(0);
    expect(readdirSync(cacheFolder)).toEqual(files);
  });

  test("are refused by name for an architecture the compiler does not know, and with the log when they are wrong", async () => {
    const compiler = await openCompiler();
    expect(() => compiler.compile("", "sm_70")).toThrow(expect.objectContaining({ code: "CUDA_ARCHITECTURE" }));
    expect(() => compiler.compile("no kernel", "sm_90")).toThrow(
      expect.objectContaining({
        code: "CUDA_COMPILE_FAILED",
        message: expect.stringContaining("kvtuner.cu(1)") as string,
      }),
    );
    expect((await kernelImage("kernels", "sm_70", { cacheFolder })).origin).toBe("ptx");
  });
});
