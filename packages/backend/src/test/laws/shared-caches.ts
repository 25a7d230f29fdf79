import { type CacheShape, type LayerScheme, plainAttention, type SharingLayer } from "@kvtuner/plan";
import { type Subject, withSubject } from "../backend-under-test.ts";
import { checkCases, type Law } from "../law.ts";
import { CheckedCache } from "../rig/checked-cache.ts";
import { assertRefused } from "../rig/refusals.ts";
import { layerName, planOf, sampleLayers, smallShape, withSpans } from "../rig/samples.ts";
import { callTensors } from "../rig/tensors.ts";

/** Layers without a cache of their own. */
export const sharedCachesLaw: Law = {
  name: "attends in layers that share the cache of another as that one does, and stores it once, or refuses the model",
  check: (options) =>
    withSubject(options, async (subject) => {
      const { backend } = subject;
      const shape = sharedShape(subject);
      if (backend.capabilities.attention?.sharedCaches)
        return checkCases(sampleLayers(subject), layerName, (layer) => checkCase(subject, shape, layer));
      await assertRefused("a model with shared caches", ["BACKEND_UNSUPPORTED_SHAPE"], () =>
        backend.createCache(shape, planOf(shape, ...sampleLayers(subject, 2))),
      );
    }),
};

/** Two layers read the cache of the first, one with more query heads and another scale, and none that of the second. */
const sharedShape = (subject: Subject): CacheShape => {
  const shape = smallShape(subject);
  const isSliding = subject.backend.capabilities.attention?.sliding;
  const own = plainAttention(shape.headSize);
  const spans = isSliding ? [60, Infinity] : [Infinity];
  const attention = { ...own, scale: 0.3, ...(isSliding && { mask: { kind: "sliding", span: 21 } as const }) };
  const sharing: SharingLayer[] = [
    { place: 1, cacheOf: 0, queryHeads: 8, attention },
    { place: 2, cacheOf: 0, queryHeads: 4 },
  ];
  return { ...withSpans(shape, ...spans), sharing };
};

const checkCase = async (subject: Subject, shape: CacheShape, layer: LayerScheme): Promise<void> => {
  const checked = await CheckedCache.create(subject, shape, planOf(shape, layer, ...sampleLayers(subject, 1)));
  for (const tokens of [1, 40, 1, 150]) await appendAll(checked, tokens);
  for (let token = 0; token < 34; token++) await appendAll(checked, 1);
  await checked.assertStored();
  await checked.restore();
  await appendAll(checked, 70);
  await checkOrder(checked);
  checked.truncate(0);
  await checkEarlyTruncate(checked);
  await appendAll(checked, 45);
  await checked.assertStored();
  await checkEarlyDispose(checked);
};

/** The model's order: a layer, those that share its cache, the next layer. */
const appendAll = async (checked: CheckedCache, tokens: number): Promise<void> => {
  await checked.attend(0, checked.nextCall(tokens, 0), Math.min(tokens, 3));
  if (tokens > 60) await overwriteFreed(checked, tokens);
  await checked.read(0, tokens);
  await checked.read(1, tokens);
  await checked.attend(1, checked.nextCall(tokens, 1), Math.min(tokens, 3));
  checked.assertCounts();
};

/** Another cache takes the memory that a long call freed, so that those who still read it get other numbers. */
const overwriteFreed = async ({ subject, oracle: { shape, plan } }: CheckedCache, tokens: number): Promise<void> => {
  const other = await CheckedCache.create(subject, shape, plan, 2);
  await other.cache.attend(0, ...callTensors(other.nextCall(tokens, 0)));
  await other.cache.dispose();
};

/** Drops tokens that one of two layers has not read. */
const checkEarlyTruncate = async (checked: CheckedCache): Promise<void> => {
  await appendAll(checked, 25);
  await checked.attend(0, checked.nextCall(20, 0));
  await checked.read(0, 20);
  checked.truncate(25);
  await checked.assertStored();
};

/** Disposes while a layer reads, which gives the right output or is rejected. */
const checkEarlyDispose = async (checked: CheckedCache): Promise<void> => {
  await checked.attend(0, checked.nextCall(40, 0));
  const read = checked.read(0, 40);
  const gone = checked.cache.dispose();
  const [result] = await Promise.allSettled([read]);
  await gone;
  if (result.status === "rejected")
    await assertRefused("a read of a cache that is disposed of meanwhile", ["BACKEND_DISPOSED"], () => {
      throw result.reason;
    });
};

const checkOrder = async (checked: CheckedCache): Promise<void> => {
  const refused = (what: string, action: () => Promise<unknown>): Promise<unknown> =>
    assertRefused(what, ["BACKEND_LAYER_ORDER"], action);
  await refused("a layer that reads before the other appends", () => checked.read(0, 1));
  await checked.attend(0, checked.nextCall(2, 0));
  await checked.read(1, 2);
  await refused("a layer that reads fewer tokens than there are", () => checked.read(0, 1));
  await refused("a layer that appends before all have read", () => checked.attend(0, checked.nextCall(1, 0)));
  await checked.attend(1, checked.nextCall(2, 1));
  await refused("a snapshot before all have read", () => checked.cache.snapshot());
  await checked.read(0, 2);
  await refused("a layer that reads twice", () => checked.read(0, 2));
  await checked.assertStored();
  await assertRefused("a sharing layer that does not exist", ["BACKEND_LAYER"], () => checked.cache.read(2, NO_QUERY));
};

const NO_QUERY = undefined as never;
