import { type LayerScheme, planBytes } from "@kvtuner/plan";
import { type Subject, withSubject } from "../backend-under-test.ts";
import { assertLaw, checkCases, type Law } from "../law.ts";
import { CheckedCache } from "../rig/checked-cache.ts";
import { assertRefused } from "../rig/refusals.ts";
import { layerName, planOf, sampleLayers, smallShape, withSpans } from "../rig/samples.ts";

/** One token, less than a block, more than one, and more than a tile. */
const SPANS = [1, 7, 50, 150] as const;

/** The first layer slides and the second reads all tokens. */
export const slidingLaw: Law = {
  name: "drops the tokens of a layer with a span that no later query reads, and refuses what needs them",
  check: (options) =>
    withSubject(options, async (subject) => {
      if (!subject.backend.capabilities.attention?.sliding) return;
      const cases = sampleLayers(subject).flatMap((layer) => SPANS.map((span) => ({ layer, span })));
      await checkCases(
        cases,
        ({ layer, span }) => `span ${span}, ${layerName(layer)}`,
        ({ layer, span }) => checkCase(subject, layer, span),
      );
    }),
};

const checkCase = async (subject: Subject, layer: LayerScheme, span: number): Promise<void> => {
  const shape = withSpans(smallShape(subject, { queryHeads: 2, kvHeads: 1 }), span, Infinity);
  const checked = await CheckedCache.create(subject, shape, planOf(shape, layer, ...sampleLayers(subject, 1)));
  for (const tokens of [1, 1, 1, 40, 1, 1, 90]) await checked.append(tokens, 2);
  for (let token = 0; token < 40; token++) await checked.append(1);
  await checked.assertStored();
  await checked.restore();
  await checked.append(170, 3);
  await checked.assertStored();
  await checkTruncations(checked);
  await checkRetune(checked);
  checked.truncate(0);
  await checked.append(60, 60);
  await checked.assertStored();
  assertLaw(
    checked.cache.bytes().total === planBytes({ ...checked.oracle.plan, shape }, 60).total,
    "expected the bytes of a new cache after truncate(0)",
  );
  await checked.cache.dispose();
};

/** Refusals leave the cache as it is. */
const checkTruncations = async (checked: CheckedCache): Promise<void> => {
  const { length } = checked;
  for (const back of [300, 170, 100, 33, 9, 2, 1].filter((count) => count < length)) {
    if (checked.canTruncate(length - back)) continue;
    await assertRefused(`truncate(${length - back}) of ${length} tokens`, ["BACKEND_TRUNCATE_DROPPED"], () =>
      checked.cache.truncate(length - back),
    );
  }
  await checked.assertStored();
  await checked.append(1);
  for (const back of [1, 9]) {
    const shorter = checked.length - back;
    if (!checked.canTruncate(shorter)) continue;
    checked.truncate(shorter);
    await checked.assertStored();
    await checked.append(2);
  }
};

const checkRetune = async (checked: CheckedCache): Promise<void> => {
  if (checked.canTruncate(1)) return;
  await assertRefused("a retune after tokens were dropped", ["BACKEND_RETUNE_DROPPED"], () =>
    checked.cache.retune(checked.oracle.plan),
  );
  await checked.append(1);
};
