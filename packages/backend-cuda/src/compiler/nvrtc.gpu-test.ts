import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { KERNELS } from "../device/device.ts";
import { cubinUsage } from "../test-support/cubin-usage.ts";
import { fetchNvrtc } from "../../tools/fetch-nvrtc.mjs";
import { kernelImage } from "./kernel-image.ts";
import { kernelSource } from "./kernel-source.ts";
import { openCompiler } from "./nvrtc.ts";

/** More registers and a multiprocessor, which has 65536, would run fewer blocks than the kernels are made for. */
const REGISTERS: Readonly<Record<string, number>> = { attend_1_row: 128, attend_4_rows: 128, attend_8_rows: 168 };
const OTHER_REGISTERS = 96;

/** Numbers that do not fit into registers, and what is indexed: little, and not in a loop over tokens. */
const STACK_BYTES = 256;

/** What the driver keeps for itself from sm_90 on; all that kernels use is asked for at launch. */
const SHARED_BYTES = 1024;

const reasonWhy = (): string | undefined => {
  try {
    process.env["KVTUNER_NVRTC"] = fetchNvrtc();
    return undefined;
  } catch (error) {
    return `no NVRTC: ${(error as Error).message}`;
  }
};
const reason = reasonWhy();

describe.skipIf(reason)(`kernels compiled by NVRTC${reason ? ` (${reason})` : ""}`, () => {
  test.each(["sm_80", "sm_90", "sm_100", "sm_120"])("for %s keep to their registers", async (architecture) => {
    const compiler = await openCompiler();
    const usage = cubinUsage(compiler.compile(kernelSource(), architecture));
    console.table(Object.fromEntries(usage));
    expect(new Set(usage.keys())).toEqual(new Set(KERNELS));
    for (const [name, { registers, stackBytes, sharedBytes }] of usage) {
      expect(registers, `registers of ${name}`).toBeLessThanOrEqual(REGISTERS[name] ?? OTHER_REGISTERS);
      expect(stackBytes, `stack of ${name}`).toBeLessThanOrEqual(STACK_BYTES);
      expect(sharedBytes, `shared memory of ${name}`).toBeLessThanOrEqual(SHARED_BYTES);
    }
  });

  test("are refused by name for an architecture that the compiler does not know, and with the log when they are wrong", async () => {
    const compiler = await openCompiler();
    expect(() => compiler.compile("", "sm_70")).toThrow(expect.objectContaining({ code: "CUDA_ARCHITECTURE" }));
    expect(() => compiler.compile("no kernel", "sm_90")).toThrow(
      expect.objectContaining({
        code: "CUDA_COMPILE_FAILED",
        message: expect.stringContaining("kvtuner.cu(1)") as string,
      }),
    );
    expect((await kernelImage("sm_70", {})).origin).toBe("ptx");
  });

  test("are compiled once for an architecture", async () => {
    const cacheFolder = mkdtempSync(join(tmpdir(), "kvtuner-cuda-"));
    const first = await kernelImage("sm_90", { cacheFolder });
    const files = readdirSync(cacheFolder);
    expect(first.origin).toBe("nvrtc");
    expect(files).toHaveLength(1);
    const started = performance.now();
    const second = await kernelImage("sm_90", { cacheFolder });
    expect(second.image.every((byte, index) => byte === first.image[index])).toBe(true);
    expect(readdirSync(cacheFolder)).toEqual(files);
    expect(performance.now() - started).toBeLessThan(10_000);
    rmSync(cacheFolder, { recursive: true });
  });
});
