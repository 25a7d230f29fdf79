import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { openDevice, type OpenOptions } from "../open-device.ts";
import { compileNvrtc, noCompiler } from "../test-support/compile-driver.ts";
import { type CpuDriver, openCpuDriver } from "../test-support/cpu-driver.ts";

const CUDA_12_4 = 12_040;
const CUDA_13_0 = 13_000;

const reason = noCompiler();

/** Two fake NVRTC libraries, and a driver that rejects binaries of a newer CUDA. */
describe.skipIf(reason)(`NVRTC beside a driver${reason ? ` (${reason})` : ""}`, () => {
  let newer: string;
  let older: string;
  let driver: CpuDriver;
  let cacheFolder: string;
  beforeAll(() => {
    driver = openCpuDriver();
    [newer, older] = [13, 12].map(compileNvrtc) as [string, string];
  }, 300_000);
  beforeEach(() => {
    cacheFolder = mkdtempSync(join(tmpdir(), "kvtuner-cuda-"));
  });
  afterEach(() => {
    vi.unstubAllEnvs();
    driver.recover();
    driver.setDriverVersion(CUDA_13_0);
    rmSync(cacheFolder, { recursive: true });
  });

  const originOf = async (version: number, options: OpenOptions): Promise<string> => {
    driver.setDriverVersion(version);
    const { device, origin } = await openDevice({ driver: driver.path, cacheFolder, ...options });
    device.dispose();
    return origin;
  };

  test("of a later CUDA is passed over for one that the driver loads", async () => {
    expect(await originOf(CUDA_12_4, { compilers: [newer, older] })).toBe("nvrtc");
    expect(await originOf(CUDA_12_4, { compilers: ["/nowhere/libnvrtc.so", older] })).toBe("nvrtc");
    expect(await originOf(CUDA_13_0, { compilers: [newer, older] })).toBe("nvrtc");
  });

  test("of a later CUDA alone leaves the PTX of this package, and says so where the driver does not read that", async () => {
    await expect(originOf(CUDA_12_4, { compilers: [newer] })).rejects.toMatchObject({
      code: "CUDA_DRIVER_TOO_OLD",
      message: expect.stringMatching(
        /^the driver is too old for the PTX of this package \(NVRTC was not used: .* NVRTC of CUDA 12 or earlier, .*found .* of 13\.0; install .*nvidia-cuda-nvrtc-cu12.*; install driver 580.* gave 222/,
      ) as string,
    });
    expect(await originOf(CUDA_13_0, { compilers: ["/nowhere/libnvrtc.so"] })).toBe("ptx");
  });

  test("of a later CUDA is an error where NVRTC was asked for, or this one was named", async () => {
    const tooNew = { code: "CUDA_COMPILER_MISSING", message: expect.stringMatching(/ of 13\.0; install/) as string };
    await expect(originOf(CUDA_12_4, { kernels: "nvrtc", compilers: [newer] })).rejects.toMatchObject(tooNew);
    vi.stubEnv("KVTUNER_NVRTC", newer);
    await expect(originOf(CUDA_12_4, {})).rejects.toMatchObject(tooNew);
    expect(await originOf(CUDA_13_0, {})).toBe("nvrtc");
  });
});
