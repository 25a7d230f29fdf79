import type { Bits } from "@kvtuner/plan";

/** Bits of a layer's keys and values. */
export interface BitPair {
  readonly key: Bits;
  readonly value: Bits;
}

const product = (bits: readonly Bits[]): BitPair[] => bits.flatMap((key) => bits.map((value) => ({ key, value })));

/** The nine candidates of the paper, {8, 4, 2} for keys by {8, 4, 2} for values (arXiv 2502.04420, section 5.3). */
export const paperPairs: readonly BitPair[] = product([8, 4, 2]);

/** All sixteen pairs over {16, 8, 4, 2}. */
export const fullPairs: readonly BitPair[] = product([16, 8, 4, 2]);

/** What the paper's pruning leaves to most layers: KV8, K8V4, KV4, K4V2, KV2 (arXiv 2502.04420, Table 4). */
export const keyFirstPairs: readonly BitPair[] = [
  { key: 8, value: 8 },
  { key: 8, value: 4 },
  { key: 4, value: 4 },
  { key: 4, value: 2 },
  { key: 2, value: 2 },
];
