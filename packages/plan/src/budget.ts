import { planBytes } from "./bytes.ts";
import { KvtunerError } from "./error.ts";
import type { Plan } from "./plan.ts";
import type { CacheShape, LayerScheme } from "./scheme.ts";

const UNITS = {
  B: 1,
  KB: 1e3,
  MB: 1e6,
  GB: 1e9,
  TB: 1e12,
  KIB: 2 ** 10,
  MIB: 2 ** 20,
  GIB: 2 ** 30,
  TIB: 2 ** 40,
} as const;

/**
 * Reads a size like `40MB`, `1.5 GiB` or `4096` (bytes). `MB` is decimal, `MiB` binary.
 *
 * @throws BudgetError `PLAN_UNKNOWN_SIZE`
 */
export const parseBytes = (text: string): number => {
  const match = /^(\d+(?:\.\d+)?)\s*([kmgt]?i?b)?$/i.exec(text.trim());
  const unit = UNITS[(match?.[2]?.toUpperCase() ?? "B") as keyof typeof UNITS];
  if (match && unit) return Math.round(Number(match[1]) * unit);
  throw new BudgetError("PLAN_UNKNOWN_SIZE", `expected a size like 40MB, 1.5GiB or 4096, got ${JSON.stringify(text)}`);
};

/** Writes bytes with a decimal unit and three digits: `39.4 MB`. */
export const formatBytes = (bytes: number): string => {
  const units = ["B", "KB", "MB", "GB", "TB"];
  const power = Math.min(units.length - 1, Math.max(0, Math.floor(Math.log10(Math.max(1, bytes)) / 3)));
  const value = bytes / 1000 ** power;
  return `${power === 0 ? value : value.toPrecision(value >= 999.5 ? 4 : 3)} ${units[power]}`;
};

/** A layer scheme, and the bytes of a cache that uses it in every layer. */
export interface UniformChoice {
  readonly layer: LayerScheme;
  readonly bytes: number;
}

/**
 * The smallest and the largest of the layer schemes that fit a budget, used in every layer, at a context length.
 *
 * @throws BudgetError `PLAN_BUDGET_TOO_SMALL`, with the smallest plan's bytes
 */
export const fitBudget = (
  candidates: readonly LayerScheme[],
  shape: CacheShape,
  budgetBytes: number,
  contextLength: number,
): { readonly smallest: UniformChoice; readonly largest: UniformChoice } => {
  const choices = candidates
    .map((layer) => ({ layer, bytes: planBytes(uniformLayers(layer, shape), contextLength).total }))
    .sort((a, b) => a.bytes - b.bytes);
  const smallest = choices[0];
  if (!smallest)
    throw new BudgetError("PLAN_NO_CANDIDATES", "expected at least one layer scheme to choose from, got none");
  if (smallest.bytes > budgetBytes)
    throw new BudgetError(
      "PLAN_BUDGET_TOO_SMALL",
      `expected a budget of at least ${smallest.bytes} bytes (${formatBytes(smallest.bytes)}), the smallest plan at ${contextLength} tokens, got ${formatBytes(budgetBytes)}; raise it or shorten the context`,
    );
  return { smallest, largest: choices.findLast(({ bytes }) => bytes <= budgetBytes) ?? smallest };
};

const uniformLayers = (layer: LayerScheme, shape: CacheShape): Pick<Plan, "layers" | "shape"> => ({
  shape,
  layers: Array.from({ length: shape.layers }, () => layer),
});

/** A size or budget that cannot be used. */
export class BudgetError extends KvtunerError {
  override readonly name = "BudgetError";
}
