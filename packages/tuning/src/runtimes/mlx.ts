import { blockFormatScheme } from "@kvtuner/plan";
import { coded, everywhere, type Runtime } from "./runtime.ts";

const BITS = [8, 6, 5, 4, 3, 2] as const;

/** mlx-lm: the same bits for keys and values of all layers, in groups of 64. */
export const mlx: Runtime = {
  name: "mlx",
  source: "https://github.com/ml-explore/mlx-lm/blob/main/mlx_lm/generate.py",
  limits: "heads of multiples of 64",
  settings: ({ shape }) =>
    BITS.map((bits) => {
      const scheme = blockFormatScheme(`mlx${bits}`);
      return {
        label: `${bits} bits`,
        layers: everywhere(shape, coded(scheme, scheme)),
        paste: `--kv-bits ${bits} --kv-group-size 64 --quantized-kv-start 0`,
      };
    }),
};
