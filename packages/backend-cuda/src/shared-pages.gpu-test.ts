import { layerScheme, plainAttention } from "@kvtuner/plan";
import { describe, expect, test } from "vitest";
import { callTensors } from "./test-support/calls.ts";
import { noCompiler } from "./test-support/compile-driver.ts";
import { createCudaBackendOnCpu } from "./test-support/cpu-backend.ts";

const SIZES = { layers: 1, queryHeads: 2, kvHeads: 1, headSize: 32 };
const SHAPE = {
  ...SIZES,
  attention: { ...plainAttention(32), mask: { kind: "sliding", span: 20 } },
  sharing: [{ place: 1, cacheOf: 0, queryHeads: 2 }],
} as const;

/** After the call, most of its tokens are codes or dropped. The sharing layer's queries read them in 16 bits. */
const TOKENS = 200;

const reason = noCompiler();

describe.skipIf(reason)(`pages of a shared cache, on the CPU${reason ? ` (${reason})` : ""}`, () => {
  test.each([
    ["kivi:K4V2", layerScheme("kivi", { key: 4, value: 2 }, { recent: 5 })],
    ["per-token:K16V16", layerScheme("per-token", { key: 16, value: 16 })],
  ])("are not given to another cache before the last layer has read them: %s", async (_name, layer) => {
    const plan = { shape: SHAPE, layers: [layer] };
    const backend = await createCudaBackendOnCpu();
    const outputOf = async (isInterrupted: boolean): Promise<unknown> => {
      const cache = await backend.createCache(SHAPE, plan);
      await cache.attend(0, ...callTensors(SIZES, TOKENS));
      if (isInterrupted) await (await backend.createCache(SHAPE, plan)).attend(0, ...callTensors(SIZES, TOKENS, 9));
      return (await cache.read(0, callTensors(SIZES, TOKENS)[0])).data;
    };
    expect(await outputOf(true)).toEqual(await outputOf(false));
    await backend.dispose();
  });
});
