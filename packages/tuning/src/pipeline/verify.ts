import { assertPlanSupported, type Backend, type CachePlan } from "@kvtuner/backend";
import type { Evaluator } from "@kvtuner/evaluation";
import type { LayerScheme } from "@kvtuner/plan";
import type { Callbacks } from "../progress.ts";
import { halvesOf } from "../space/halves.ts";
import { planLayers, planOfIds, schemeAt, uniformPlan, type SearchSpace } from "../space/space.ts";
import { usedAssets } from "../space/used-assets.ts";
import type { FrontPlan } from "./pick.ts";

/** A plan's loss as a backend runs it, token by token, and the evaluator's. */
export interface Verification {
  /** Name of the backend. */
  readonly backend: string;
  /** Mean KL divergence to the float cache on the calibration samples, nats a token, as run. */
  readonly kl: number;
  /** The evaluator's KL. */
  readonly evaluatedKl: number;
  /** `|kl - evaluatedKl|` */
  readonly difference: number;
  /** Whether the difference is at most 5% of the evaluator's KL, or at most 1e-5. */
  readonly agrees: boolean;
  /** Tokens run. */
  readonly tokens: number;
}

/** Numbers halfway between two float16 values round either way, which changes the loss of 200 tokens by about 1%. */
const TOLERATED_SHARE = 0.05;
const TOLERATED_KL = 1e-5;

/** Runs plans of a search space on one backend. */
export interface Verifier {
  /** Runs a plan on the evaluator's samples; warns when the losses differ. */
  verify(picked: FrontPlan, evaluator: Evaluator, callbacks: Callbacks): Promise<Verification>;
}

/**
 * A verifier on a backend that supports every choice of the space.
 *
 * @throws KvtunerError for one that lacks a scheme
 */
export const backendVerifier = (backend: Backend, space: SearchSpace): Verifier => {
  const { name, capabilities } = backend;
  for (const plan of cachesOf(space)) assertPlanSupported(name, capabilities, space.shape, plan);
  return {
    verify: async (picked, evaluator, callbacks) => {
      const verification = await run(backend, space, picked, evaluator, callbacks);
      if (!verification.agrees) callbacks.warn(disagreement(verification));
      return verification;
    },
  };
};

/** Caches with the keys, and with the values, of each choice that the search may pick. */
export const cachesOf = (space: SearchSpace): CachePlan[] =>
  halvesOf(space).halves.map((half) =>
    cacheOf(
      space,
      uniformPlan(space, 0).map((_, layer) => schemeAt(half, layer)),
    ),
  );

const cacheOf = ({ shape, assets }: SearchSpace, layers: readonly LayerScheme[]): CachePlan => ({
  shape,
  layers,
  ...(assets && { assets: usedAssets(layers, assets) }),
});

const run = async (
  backend: Backend,
  space: SearchSpace,
  picked: FrontPlan,
  evaluator: Evaluator,
  { progress, signal }: Callbacks,
): Promise<Verification> => {
  const { shape } = space;
  const layers = planLayers(space, planOfIds(space, picked.choices));
  const { kl, tokens } = await evaluator.scoreRuntime(async () => backend.createCache(shape, cacheOf(space, layers)), {
    onProgress: (done, total) => progress({ step: "verify", done, total }),
    ...(signal && { signal }),
  });
  const evaluatedKl = picked.task ? await klOnText(evaluator, space, layers, signal) : picked.kl;
  const difference = Math.abs(kl - evaluatedKl);
  const agrees = difference <= Math.max(TOLERATED_KL, TOLERATED_SHARE * evaluatedKl);
  return { backend: backend.name, kl, evaluatedKl, difference, agrees, tokens };
};

/** The evaluator's KL on the samples. In a study with a task, the plan's KL is measured on answers instead. */
const klOnText = async (
  evaluator: Evaluator,
  { assets }: SearchSpace,
  layers: LayerScheme[],
  signal?: AbortSignal,
): Promise<number> => {
  const [score] = await evaluator.evaluate([layers], { assets, ...(signal && { signal }) });
  return score?.kl ?? Number.NaN;
};

const disagreement = ({ backend, kl, evaluatedKl }: Verification): string =>
  `the picked plan loses KL ${kl.toPrecision(3)} on ${backend}, but ${evaluatedKl.toPrecision(3)} by the evaluator; one of the two is wrong, please report it`;
