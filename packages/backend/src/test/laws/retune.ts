import { type LayerScheme, planBytes } from "@kvtuner/plan";
import type { CachePlan } from "../../backend.ts";
import { type Subject, withSubject } from "../backend-under-test.ts";
import { checkCases, type Law } from "../law.ts";
import { CheckedCache } from "../rig/checked-cache.ts";
import { assertRefused } from "../rig/refusals.ts";
import { layerName, planOf, sampleLayers, smallShape, withAssets } from "../rig/samples.ts";

const TOKENS = 170;

/** Retunes in place to a coarser plan, and never to a finer one. */
export const retuneLaw: Law = {
  name: "retunes to a coarser plan as if its decoded tokens were appended anew, and refuses a finer one",
  check: (options) =>
    withSubject(options, async (subject) => {
      const layers = sampleLayers(subject, 6);
      const cases = layers.flatMap((from) => layers.filter((to) => to !== from).map((to) => ({ from, to })));
      await checkCases(
        cases,
        ({ from, to }) => `from ${layerName(from)} to ${layerName(to)}`,
        ({ from, to }) => checkRetune(subject, from, to),
      );
      await checkForeignPlans(subject);
    }),
};

const checkRetune = async (subject: Subject, from: LayerScheme, to: LayerScheme): Promise<void> => {
  const shape = smallShape(subject, { layers: 1, queryHeads: 2, kvHeads: 1 });
  const [plan, next] = [planOf(shape, from), withAssets(subject, planOf(shape, to))];
  const checked = await CheckedCache.create(subject, shape, plan);
  await checked.append(TOKENS, 1);
  if (bytesOf(next) > bytesOf(plan))
    await assertRefused("a plan of more bytes", ["BACKEND_RETUNE_FINER"], () => checked.cache.retune(next));
  else await checked.retune(next);
  await checked.assertStored();
  await checked.append(2);
  checked.truncate(TOKENS - 40);
  await checked.append(1);
  await checked.assertStored();
  await checked.cache.dispose();
};

const bytesOf = (plan: CachePlan): number => planBytes(plan, TOKENS).total;

const checkForeignPlans = async (subject: Subject): Promise<void> => {
  const shape = smallShape(subject);
  const layers = sampleLayers(subject);
  const checked = await CheckedCache.create(subject, shape, planOf(shape, ...layers));
  await checked.append(45, 1);
  const other = { ...shape, kvHeads: 1 };
  await assertRefused("a plan for another shape", ["BACKEND_PLAN_SHAPE"], () =>
    checked.cache.retune(planOf(other, ...layers)),
  );
  await checked.assertStored();
  await checked.append(1);
};
