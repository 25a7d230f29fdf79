import type { SingleLosses } from "./additive-features.ts";
import type { KernelScales } from "./residual-kernel.ts";
import { fitResidualModel, type Observation, type ResidualModel } from "./residual-model.ts";

const bends = [0.3, 1];
const singles = [0.25, 0.5, 1, 2];
const noises = [0.01, 0.03, 0.1, 0.3];

/** The model whose scales, out of a small grid, make the observations most probable; the first of equals. */
export const fitBestModel = (single: SingleLosses, observations: readonly Observation[]): ResidualModel => {
  const bendLength = lengthOfBend(observations);
  const models = bends.flatMap((bend) =>
    singles.flatMap((scale) =>
      noises.map((noise) => fitResidualModel(single, observations, scalesOf(bend, bendLength, scale, noise))),
    ),
  );
  return models.reduce((best, model) => (model.evidence > best.evidence ? model : best));
};

const scalesOf = (bend: number, bendLength: number, single: number, noise: number): KernelScales => ({
  offset: 1,
  bend,
  bendLength,
  single,
  noise,
});

/** A quarter of the spread of log losses: a bend that turns more often would be noise. */
const lengthOfBend = (observations: readonly Observation[]): number => {
  const values = Float64Array.from(observations, ({ logLoss }) => logLoss).toSorted();
  return values.length === 0 ? 1 : Math.max(1, (values.at(-1)! - values[0]!) / 4);
};
