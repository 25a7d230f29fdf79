import { layerBytes, planBytes } from "@kvtuner/plan";
import type { CachePlan } from "../../backend.ts";
import { writeSnapshot } from "../../snapshot/write-snapshot.ts";
import { type BackendUnderTest, type Limits, type Subject, withSubject } from "../backend-under-test.ts";
import { assertLaw, checkCases, type Law } from "../law.ts";
import { appended } from "../oracle/oracle-cache.ts";
import { oracleImage } from "../oracle/oracle-image.ts";
import { CheckedCache } from "../rig/checked-cache.ts";
import { assertRefused } from "../rig/refusals.ts";
import { fullLength, planOf, sampleLayers, samplePlan, smallShape } from "../rig/samples.ts";
import { callTensors } from "../rig/tensors.ts";

const TOKENS = 60;
const FIRST = 50;

/** A full cache. */
export const limitsLaw: Law = {
  name: "rejects calls beyond its memory or its tokens, and is unchanged",
  skipped: ({ createSmallBackend }) => (createSmallBackend ? undefined : "needs createSmallBackend"),
  check: async (options) => {
    await checkCases(["BACKEND_OUT_OF_MEMORY", "BACKEND_TOO_LONG"] as const, String, (code) =>
      checkLimit(options, code),
    );
    await checkTruncation(options);
  },
};

const checkLimit = async (
  options: BackendUnderTest,
  code: "BACKEND_OUT_OF_MEMORY" | "BACKEND_TOO_LONG",
): Promise<void> => {
  const create = async (limits: Limits) => options.createSmallBackend!(limits);
  const plan = await withSubject(options, async (subject) => samplePlan(subject));
  const limits: Limits = code === "BACKEND_TOO_LONG" ? { maxTokens: TOKENS } : { maxCacheBytes: neededBytes(plan) };
  await withSubject(
    options,
    async (subject) => {
      const checked = await CheckedCache.create(subject, plan.shape, plan);
      await checked.append(FIRST, 1);
      const error = await assertRefused(`a call beyond ${JSON.stringify(limits)}`, [code], async () =>
        appendUntilRefused(checked),
      );
      assertLaw(error.message.length > 0, "expected a message");
      checked.cache.truncate(checked.length); // drops what other layers appended before the rejected call
      await checked.assertStored();
      await checked.append(TOKENS - FIRST, 1);
      await checked.assertStored();
      await assertRefused(`a snapshot beyond ${JSON.stringify(limits)}`, [code], async () =>
        subject.backend.restoreCache(plan.shape, checked.oracle.plan, await largerSnapshot(checked)),
      );
      checked.truncate(5);
      await checked.append(3);
      await checked.cache.dispose();
    },
    () => create(limits),
  );
};

/** One call of more tokens than fit, layer by layer. */
const appendUntilRefused = async (checked: CheckedCache): Promise<void> => {
  for (let layer = 0; layer < checked.oracle.shape.layers; layer++)
    await checked.cache.attend(layer, ...callTensors(checked.nextCall(200)));
};

/** A snapshot from another backend with higher limits. */
const largerSnapshot = (checked: CheckedCache): Promise<Uint8Array> => {
  let { oracle } = checked;
  for (let layer = 0; layer < oracle.shape.layers; layer++) {
    const { key, value } = checked.nextCall(200);
    oracle = appended(oracle, layer, key, value);
  }
  return writeSnapshot(oracleImage(oracle));
};

/** Largest bytes while the layers go one by one from the first tokens to all. */
const neededBytes = ({ shape, layers }: CachePlan): number => {
  const bytes = (layer: number, length: number): number => layerBytes(layers[layer]!, shape, length).total;
  const totals = layers.map((_, last) =>
    layers.reduce((sum, _layer, layer) => sum + bytes(layer, layer <= last ? TOKENS : FIRST), 0),
  );
  return Math.max(...totals);
};

/** Truncating may take more bytes: tokens that become recent again are kept in 16 bits. */
const checkTruncation = async (options: BackendUnderTest): Promise<void> => {
  const found = await withSubject(options, async (subject) => shrinkingStep(subject));
  if (!found) return;
  const { plan, length } = found;
  const maxCacheBytes = planBytes(plan, length).total;
  await withSubject(
    options,
    async (subject) => {
      const checked = await CheckedCache.create(subject, plan.shape, plan);
      await checked.append(length, 1);
      const refused = `truncate(${length - 1}) of ${length} tokens beyond ${maxCacheBytes} bytes`;
      await assertRefused(refused, ["BACKEND_OUT_OF_MEMORY"], () => checked.cache.truncate(length - 1));
      await checked.assertStored();
      checked.truncate(0);
      await checked.append(3);
      await checked.cache.dispose();
    },
    async () => options.createSmallBackend!({ maxCacheBytes }),
  );
};

/** A plan, and a length that takes fewer bytes than the one before; undefined if blocks have one token. */
const shrinkingStep = (subject: Subject): { readonly plan: CachePlan; readonly length: number } | undefined => {
  const shape = smallShape(subject);
  for (const layer of sampleLayers(subject, 9)) {
    const plan = planOf(shape, layer);
    for (let length = 1; length <= fullLength(layer); length++)
      if (planBytes(plan, length - 1).total > planBytes(plan, length).total) return { plan, length };
  }
  return undefined;
};
