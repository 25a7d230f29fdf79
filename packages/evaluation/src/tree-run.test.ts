import { layerScheme } from "@kvtuner/plan";
import { Tensor } from "onnxruntime-common";
import { expect, test } from "vitest";
import { createActivationStore } from "./activation-store.ts";
import { planTree, runTree, type TreeRun } from "./tree-run.ts";

const ROWS = 3;
const WIDTHS = { residual: 5, query: 4, key: 2, value: 2 };
const shape = { layers: 3, queryHeads: 2, kvHeads: 1, headSize: 2 };

/** Tensors of ones, in `into` if given. */
const ones = <Name extends string>(
  widths: Readonly<Record<Name, number>>,
  into?: Readonly<Partial<Record<Name, Float32Array>>>,
): Record<Name, Tensor> => {
  const tensors = (Object.keys(widths) as Name[]).map((name) => {
    const data = into?.[name] ?? new Float32Array(ROWS * widths[name]);
    return [name, new Tensor("float32", data.fill(1), [ROWS, widths[name]])];
  });
  return Object.fromEntries(tensors) as Record<Name, Tensor>;
};

const decoder: TreeRun["decoder"] = {
  config: { name: "ones", architecture: "llama", hiddenSize: WIDTHS.residual, contextLength: ROWS },
  shape,
  first: async () => ones(WIDTHS),
  next: async (_layer, _residual, _attention, _positions, into) => ones(WIDTHS, into),
  last: async (_residual, _attention, _positions, into) =>
    ones({ residual: WIDTHS.residual }, into && { residual: into }).residual,
};

/** Bytes of the released arrays that a store keeps after some runs: those it passes on are not zero, new ones are. */
const keptAfter = async (runs: number): Promise<number> => {
  const store = createActivationStore({ memoryBytes: Infinity });
  const samples = [new Int32Array(ROWS), new Int32Array(ROWS)];
  const attention = { layer: () => async (_filling: unknown, output: Float32Array) => void output.fill(1) };
  const positions = samples.map(() => ({ tables: [] }));
  const plans = ([8, 4] as const).map((bits) =>
    Array.from({ length: shape.layers }, () => layerScheme("per-token", { key: bits, value: bits })),
  );
  const finish = async (): Promise<void> => undefined;
  for (let run = 0; run < runs; run++)
    await runTree({ decoder, samples, attention, positions, store, width: 2, finish }, planTree(shape, plans));
  const keptOf = (length: number): number => (store.take(length)[0] === 0 ? 0 : 4 * length + keptOf(length));
  return [...new Set(Object.values(WIDTHS))].reduce((sum, width) => sum + keptOf(ROWS * width), 0);
};

test("more runs over a store keep no more memory", async () => {
  const kept = await keptAfter(2);
  expect(kept).toBeGreaterThan(0);
  expect(await keptAfter(9)).toBe(kept);
});
