import { type LayerScheme, layerScheme } from "@kvtuner/plan";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createCudaBackend } from "./cuda-backend.ts";
import { callTensors } from "./test-support/calls.ts";
import { noCompiler } from "./test-support/compile-driver.ts";
import { type CpuDriver, openCpuDriver } from "./test-support/cpu-driver.ts";

/** Enough rows for tensor cores. */
const SHAPE = { layers: 1, queryHeads: 4, kvHeads: 1, headSize: 64 };

/** Tokens before the counted ones. They fill at least one page of codes and two pages of 16-bit numbers per tensor. */
const BEFORE = 301;
const TOKENS = 128;

/** Most pages for these tokens: one of codes and two of 16-bit numbers, for keys and for values. */
const MOST_PAGES = 2 * (1 + 2);

const CALLS = ["cuMemcpyHtoD_v2", "cuLaunchKernel", "cuMemcpyDtoH_v2", "cuMemAlloc_v2"];

/** Driver calls for one token of one layer. */
interface Counts {
  readonly uploads: number;
  readonly launches: number;
  readonly downloads: number;
  readonly allocations: number;
}

const reason = noCompiler();

describe.skipIf(reason)(`a token of a layer, on the CPU${reason ? ` (${reason})` : ""}`, () => {
  let driver: CpuDriver;
  beforeAll(() => {
    driver = openCpuDriver();
  }, 300_000);
  afterAll(() => {
    expect(driver.allocatedBytes()).toBe(0);
  });

  const takeCounts = (): Counts => {
    const [uploads, launches, downloads, allocations] = CALLS.map((call) => driver.takeCalls(call));
    return { uploads: uploads!, launches: launches!, downloads: downloads!, allocations: allocations! };
  };

  const countsOf = async (layer: LayerScheme, tensorCores: boolean): Promise<Counts[]> => {
    const backend = await createCudaBackend({ driver: driver.path, kernels: "ptx", tensorCores });
    const cache = await backend.createCache(SHAPE, { shape: SHAPE, layers: [layer] });
    await cache.attend(0, ...callTensors(SHAPE, BEFORE - 1));
    await cache.attend(0, ...callTensors(SHAPE, 1)); // allocates the sums of one token
    takeCounts();
    const counts: Counts[] = [];
    for (let token = 0; token < TOKENS; token++) {
      await cache.attend(0, ...callTensors(SHAPE, 1, token));
      counts.push(takeCounts());
    }
    await backend.dispose();
    return counts;
  };

  test.each([
    ["kivi:K4V2", layerScheme("kivi", { key: 4, value: 2 }), false, 6],
    ["per-token:K8V4", layerScheme("per-token", { key: 8, value: 4 }), false, 6],
    ["kivi:K4V2 on tensor cores", layerScheme("kivi", { key: 4, value: 2 }), true, 7],
    ["per-token:K16V16", layerScheme("per-token", { key: 16, value: 16 }), false, 4],
  ] as const)(
    "takes three copies there, one back, and as many launches as the README says; memory only by the page: %s",
    async (_name, layer, tensorCores, mostLaunches) => {
      const counts = await countsOf(layer, tensorCores);
      for (const { uploads, downloads, allocations } of counts) {
        expect(downloads).toBe(1);
        expect(uploads).toBeGreaterThanOrEqual(3);
        expect(uploads, "three, and one for each page that is new to a tensor").toBeLessThanOrEqual(3 + 4);
        expect(allocations, "pages that were let go of are taken first").toBeLessThanOrEqual(uploads - 3);
      }
      expect(Math.max(...counts.map(({ launches }) => launches))).toBe(mostLaunches);
      const pages = counts.reduce((sum, { uploads }) => sum + uploads - 3, 0);
      expect(pages).toBeGreaterThan(0);
      expect(pages).toBeLessThanOrEqual(MOST_PAGES);
    },
  );
});
