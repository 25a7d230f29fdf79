import { type AttentionSpec, type CacheShape, plainAttention } from "@kvtuner/plan";
import type { AttentionFeatures } from "../../capabilities.ts";
import { type Subject, withSubject } from "../backend-under-test.ts";
import { checkCases, type Law } from "../law.ts";
import { CheckedCache } from "../rig/checked-cache.ts";
import { assertRefused } from "../rig/refusals.ts";
import { layerName, planOf, sampleLayers, smallShape } from "../rig/samples.ts";

/** A way to attend, and the feature it needs beyond a scale. */
interface Case {
  readonly name: string;
  readonly needs: readonly (keyof AttentionFeatures)[];
  readonly change: Partial<AttentionSpec>;
  /** Tokens of the first call; 70 by default. */
  readonly tokens?: number;
}

/** Spans within a block, beyond one and beyond a tile; caps below and above usual scores. */
const casesOf = ({ queryHeads }: CacheShape): readonly Case[] => {
  const sliding = (span: number): Partial<AttentionSpec> => ({ mask: { kind: "sliding", span } });
  const sinkLogits = Array.from({ length: queryHeads }, (_, head) => 2 * head - 1);
  return [
    { name: "scale 0.3", needs: [], change: { scale: 0.3 } },
    ...[1, 7, 40].map((span): Case => ({
      name: `span ${span}`,
      needs: ["sliding"],
      change: { ...sliding(span), scale: 0.1 },
    })),
    { name: "span 130", needs: ["sliding"], change: sliding(130), tokens: 300 },
    ...[2, 50].map((softcap): Case => ({
      name: `softcap ${softcap}`,
      needs: ["softcap"],
      change: { softcap, scale: 0.5 },
    })),
    { name: "sink logits", needs: ["sinkLogits"], change: { sinkLogits } },
    // Almost all weight goes to the sink. The rest must still be exact.
    { name: "dominant sink logits", needs: ["sinkLogits"], change: { sinkLogits: sinkLogits.map(() => 16) } },
    {
      name: "span 33, softcap 3 and sink logits",
      needs: ["sliding", "softcap", "sinkLogits"],
      change: { ...sliding(33), softcap: 3, sinkLogits },
    },
  ];
};

/** Every layer attends as the model defines it. */
export const attentionLaw: Law = {
  name: "attends as the model's scale, span, cap of scores and sink logits say, or refuses the model",
  check: (options) =>
    withSubject(options, async (subject) => {
      const shape = smallShape(subject);
      await checkRefusal(subject, planOf(shape, ...sampleLayers(subject, 1)), KEYS_BEFORE_ROPE);
      const cases = casesOf(shape).flatMap((item) =>
        sampleLayers(subject, 2).map((layer) => ({
          ...item,
          plan: planOf(shape, layer),
          name: `${item.name}, ${layerName(layer)}`,
        })),
      );
      await checkCases(
        cases,
        ({ name }) => name,
        ({ needs, plan, change, tokens = 70 }) =>
          isClaimed(subject, needs) ? checkCase(subject, plan, change, tokens) : checkRefusal(subject, plan, change),
      );
    }),
};

/** No backend takes them; from callers without types. */
const KEYS_BEFORE_ROPE = { keyStage: "before-rope" } as unknown as Partial<AttentionSpec>;

type Plan = ReturnType<typeof planOf>;

const isClaimed = ({ backend }: Subject, needs: Case["needs"]): boolean =>
  needs.every((feature) => backend.capabilities.attention?.[feature]);

/** The first layer attends as the case says and the second plainly, so that a backend cannot use one for all. */
const modelOf = ({ shape }: Plan, change: Partial<AttentionSpec>): CacheShape => ({
  ...shape,
  perLayer: [{ attention: { ...plainAttention(shape.headSize), ...change } }, {}],
});

const checkCase = async (
  subject: Subject,
  plan: Plan,
  change: Partial<AttentionSpec>,
  tokens: number,
): Promise<void> => {
  const shape = modelOf(plan, change);
  const checked = await CheckedCache.create(subject, shape, { ...plan, shape });
  await checked.append(tokens, 40);
  await checked.append(1);
  await checked.append(1);
  await checked.restore();
  await checked.append(3);
  checked.truncate(change.mask?.kind === "sliding" ? 0 : 30);
  await checked.append(15);
  await checked.cache.dispose();
};

const checkRefusal = async ({ backend }: Subject, plan: Plan, change: Partial<AttentionSpec>): Promise<void> => {
  await assertRefused("a model whose attention the backend lacks", ["BACKEND_UNSUPPORTED_SHAPE"], () =>
    backend.createCache(modelOf(plan, change), { ...plan, shape: modelOf(plan, change) }),
  );
};
