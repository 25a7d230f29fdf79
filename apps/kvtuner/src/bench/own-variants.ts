import type { Decoder } from "@kvtuner/decoder";
import { type Plan, planBytes, storedNumbers } from "@kvtuner/plan";
import type { OpenedBackend } from "../model/backend.ts";
import { type PlanTolerance, readPlan } from "../model/read-plan.ts";
import type { RunnableModel } from "../model/runnable-model.ts";
import { type HeldCache, holdFloatCache, holdPlanCache } from "./held-cache.ts";
import { ownVariant } from "./own-variant.ts";
import type { Variant } from "./variant.ts";

const FLOAT_BYTES = 4;

/** A plan, and what it is called in the report. */
export interface NamedPlan {
  readonly name: string;
  readonly plan: Plan;
}

/**
 * Reads plans; each is called what it was given as, or by its place.
 *
 * @throws KvtunerError for a plan that cannot be read
 */
export const readNamedPlans = (
  plans: readonly (Plan | string)[],
  model: RunnableModel,
  tolerance: PlanTolerance,
): NamedPlan[] => plans.map((plan, index) => ({ name: planName(plan, index), plan: readPlan(plan, model, tolerance) }));

/**
 * One variant for each plan, on a backend, and one for the float cache. The weights are loaded last, when all plans have
 * been found good.
 *
 * @throws KvtunerError for a plan that the backend cannot store
 */
export const openOwnVariants = async (
  model: RunnableModel,
  { backend, threads }: OpenedBackend,
  plans: readonly NamedPlan[],
  settings: { readonly float: boolean; readonly seed: number; readonly threads: number },
): Promise<Variant[]> => {
  const held: HeldCache[] = [];
  try {
    for (const { plan } of plans) held.push(await holdPlanCache(backend, plan, settings.seed));
    const decoder = await model.load();
    const variants = plans.map(({ name, plan }, index) =>
      ownVariant({
        name,
        kind: "plan",
        threads,
        bytesAt: (length) => planBytes(plan, length).total,
        decoder,
        held: held[index]!,
      }),
    );
    return settings.float ? [...variants, floatVariant(decoder, settings.threads)] : variants;
  } catch (error) {
    await Promise.all(held.map((cache) => cache.dispose()));
    throw error;
  }
};

const planName = (plan: Plan | string, index: number): string =>
  typeof plan === "string" && !plan.trim().startsWith("{") ? plan.trim() : `plan ${index + 1}`;

const floatVariant = (decoder: Decoder, threads: number): Variant =>
  ownVariant({
    name: "float32",
    kind: "float32",
    threads,
    bytesAt: (length) => FLOAT_BYTES * storedNumbers(decoder.shape, length),
    decoder,
    held: holdFloatCache(decoder),
  });
