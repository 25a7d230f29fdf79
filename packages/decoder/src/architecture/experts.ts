import type { ExpertSizes } from "./config.ts";
import type { Family } from "./families/family.ts";
import { ModelError } from "./model-error.ts";
import type { ModelKeys } from "./model-keys.ts";

/**
 * Sizes of a mixture of experts; undefined for a dense model.
 *
 * @throws ModelError `MODEL_EXPERTS_UNSUPPORTED`, `MODEL_METADATA_INVALID`
 */
export const readExperts = (
  keys: ModelKeys,
  { mayHaveExperts = false }: Pick<Family, "mayHaveExperts">,
): ExpertSizes | undefined => {
  const count = Number(keys.value("expert_count") ?? 0);
  if (!(count > 0)) return undefined;
  if (!mayHaveExperts)
    throw new ModelError(
      "MODEL_EXPERTS_UNSUPPORTED",
      `expected a dense model, got a mixture of ${count} experts (${keys.name("expert_count")}), which this architecture does not support; use a dense model`,
    );
  const shared = keys.value("expert_shared_feed_forward_length");
  const sizes = {
    count,
    used: keys.number("expert_used_count"),
    feedForwardSize: keys.optionalNumber("expert_feed_forward_length") ?? keys.number("feed_forward_length"),
    // Converters write 0 for none.
    ...(Number(shared ?? 0) !== 0 && { sharedFeedForwardSize: keys.number("expert_shared_feed_forward_length") }),
  };
  if (Object.values(sizes).every(Number.isSafeInteger) && sizes.used <= count) return sizes;
  throw new ModelError(
    "MODEL_METADATA_INVALID",
    `expected whole numbers, and ${keys.name("expert_used_count")} up to ${keys.name("expert_count")}, got ${JSON.stringify(sizes)}; convert the model again`,
  );
};
