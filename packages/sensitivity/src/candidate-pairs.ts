import type { Pair } from "@kvtuner/plan";

const product = (bits: readonly Pair["key"][]): Pair[] => bits.flatMap((key) => bits.map((value) => ({ key, value })));

/** The nine candidates of the paper, {8, 4, 2} for keys by {8, 4, 2} for values (arXiv 2502.04420, section 5.3). */
export const paperPairs: readonly Pair[] = product([8, 4, 2]);

/** All sixteen pairs over {16, 8, 4, 2}. */
export const fullPairs: readonly Pair[] = product([16, 8, 4, 2]);

/** The pairs that the paper's pruning leaves to most layers: KV8, K8V4, KV4, K4V2, KV2 (arXiv 2502.04420, Table 4). */
export const keyFirstPairs: readonly Pair[] = [
  { key: 8, value: 8 },
  { key: 8, value: 4 },
  { key: 4, value: 4 },
  { key: 4, value: 2 },
  { key: 2, value: 2 },
];
