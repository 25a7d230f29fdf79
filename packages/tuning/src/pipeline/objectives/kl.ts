import type { ObjectiveKind } from "./objective-kind.ts";

/** Mean KL divergence to the float cache, nats a token. */
export const klObjective: ObjectiveKind = { loss: ({ kl }) => kl, needsTask: false };
