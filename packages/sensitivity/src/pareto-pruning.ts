import { meanOverHeads } from "./layer-errors.ts";
import { SensitivityError } from "./layer-input.ts";
import type { CandidateProfile, LayerProfile, Profile } from "./profile.ts";

/** A candidate's cost and loss; less is better in both. */
export interface PricedCandidate {
  readonly bits: number;
  readonly error: number;
}

/**
 * Losses by which a layer's candidates can be compared: the KL with only this layer quantized, measured or estimated from
 * gradients, or the mean e_o over KV heads (the paper).
 */
export const MEASURES = ["kl", "gradient", "eo"] as const;

/** One of {@link MEASURES}. */
export type Measure = (typeof MEASURES)[number];

/**
 * Indices, rising, of the candidates that no other beats. One candidate beats another if it costs and loses no more, and
 * less in at least one. Of equal candidates the first is kept. Source: arXiv 2502.04420, section 5.3.
 *
 * @throws SensitivityError when a cost or an error is NaN.
 */
export const paretoPrune = (candidates: readonly PricedCandidate[]): number[] => {
  for (const [index, { bits, error }] of candidates.entries()) assertPriced(index, bits, error);
  const cheapestFirst = [...candidates.keys()].toSorted((a, b) => compare(candidates[a]!, candidates[b]!) || a - b);
  let least = Number.POSITIVE_INFINITY;
  const kept = cheapestFirst.filter((index, rank) => {
    const { error } = candidates[index]!;
    const isKept = error < least || rank === 0;
    least = Math.min(least, error);
    return isKept;
  });
  return kept.toSorted((a, b) => a - b);
};

/** {@link paretoPrune} of every layer of a profile: the ids of the candidates left, in the profile's order. */
export const pruneProfile = (profile: Profile, measure: Measure): string[][] =>
  profile.layers.map(({ candidates }, layer) => {
    const priced = candidates.map((candidate) => ({ bits: candidate.bits, error: lossOf(candidate, measure, layer) }));
    return paretoPrune(priced).map((index) => candidates[index]!.id);
  });

/**
 * A layer's feature vector for grouping (arXiv 2502.04420, section 5.3): the losses of the named candidates, in that order.
 *
 * @throws SensitivityError when the layer lacks a candidate, or `measure` needs a KL or an estimate and it has none.
 */
export const lossVector = (layer: LayerProfile, ids: readonly string[], measure: Measure = "eo"): number[] =>
  ids.map((id) => {
    const candidate = layer.candidates.find((each) => each.id === id);
    if (candidate !== undefined) return lossOf(candidate, measure, layer.layer);
    const known = layer.candidates.map((each) => each.id).join(", ");
    throw new SensitivityError(
      "SENSITIVITY_UNKNOWN_CANDIDATE",
      `expected a candidate of layer ${layer.layer} (${known}), got "${id}"`,
    );
  });

const lossOf = (candidate: CandidateProfile, measure: Measure, layer: number): number => {
  if (measure === "eo") return meanOverHeads(candidate.errors).output;
  const loss = measure === "kl" ? candidate.kl : candidate.estimate;
  if (loss !== undefined) return loss;
  throw new SensitivityError(
    "SENSITIVITY_NO_KL",
    `expected the ${measure === "kl" ? "single-layer" : "estimated"} KL of "${candidate.id}" in layer ${layer}, got none; ${measure === "kl" ? "measure" : "estimate"} it, or prune by "eo"`,
  );
};

const compare = (a: PricedCandidate, b: PricedCandidate): number => order(a.bits, b.bits) || order(a.error, b.error);

const order = (a: number, b: number): number => Number(a > b) - Number(a < b);

const assertPriced = (index: number, bits: number, error: number): void => {
  if (!Number.isNaN(bits) && !Number.isNaN(error)) return;
  throw new SensitivityError(
    "SENSITIVITY_NOT_A_NUMBER",
    `expected numbers as bits and error, got ${bits} bits and error ${error} for candidate ${index}`,
  );
};
