import { FloatAttention, forward, GREEDY, sampleToken, type Decoder } from "@kvtuner/decoder";
import type { PeerVariant } from "./peer.ts";

/** A token of one of two continuations. */
export interface Choice {
  readonly id: number;
  readonly text: string;
  /** How far its logit was above the other's choice. */
  readonly logitGap: number;
}

/** Whether the peer and our decoder with a float cache continue a prompt greedily with the same tokens. */
export interface Agreement {
  readonly prompt: string;
  /** Tokens compared. */
  readonly tokens: number;
  /** Whether all are equal. */
  readonly equal: boolean;
  /** Our text. */
  readonly text: string;
  readonly difference?: Difference;
}

/** The first token that differs: a tie that rounding decides, if the gaps are no larger than `spread` or so. */
export interface Difference {
  readonly index: number;
  readonly ours: Choice;
  readonly theirs: Choice;
  /** Standard deviation, over the vocabulary, of their logits less ours after the same tokens. */
  readonly spread: number;
}

/** Input of {@link checkAgreement}. */
export interface AgreementParts {
  readonly decoder: Decoder;
  readonly encode: (text: string) => Int32Array;
  readonly decode: (ids: ArrayLike<number>) => string;
  readonly peer: PeerVariant["process"];
}

const TOKENS = 32;

/** Compares greedy continuations of a short prompt. */
export const checkAgreement = async (parts: AgreementParts, prompt: string): Promise<Agreement> => {
  const ids = parts.encode(prompt);
  const steps = await greedy(parts.decoder, ids);
  const theirs = await parts.peer.call("greedy", { ids, tokens: TOKENS });
  const ours = steps.map(({ id }) => id);
  const index = ours.findIndex((id, place) => id !== theirs[place]);
  const common = { prompt, tokens: TOKENS, equal: index < 0, text: parts.decode(ours) };
  if (index < 0) return common;
  const choices = await choicesAt(parts, { prompt: ids, ids: theirs.slice(0, index) }, steps[index]!, theirs[index]!);
  return { ...common, difference: { index, ...choices } };
};

interface GreedyStep {
  readonly id: number;
  readonly logits: Float32Array;
}

const greedy = async (decoder: Decoder, prompt: Int32Array): Promise<GreedyStep[]> => {
  const cache = new FloatAttention(decoder.shape, decoder.attention);
  const steps: GreedyStep[] = [];
  for (let next = prompt; steps.length < TOKENS; next = Int32Array.of(steps.at(-1)!.id)) {
    const positions = Int32Array.from(next, (_, index) => cache.length + index);
    const logits = await decoder.lastLogits(await forward(decoder, next, positions, cache));
    steps.push({ id: sampleToken(logits, GREEDY), logits });
  }
  return steps;
};

/** Both choices, each with its lead over the other in its own logits. */
const choicesAt = async (
  { decode, peer }: AgreementParts,
  before: { readonly prompt: Int32Array; readonly ids: readonly number[] },
  { id: ours, logits }: GreedyStep,
  theirs: number,
): Promise<Omit<Difference, "index">> => {
  const peerLogits = await peer.call("logits", { ...before, of: [...logits.keys()] });
  return {
    ours: { id: ours, text: decode([ours]), logitGap: logits[ours]! - logits[theirs]! },
    theirs: { id: theirs, text: decode([theirs]), logitGap: peerLogits[theirs]! - peerLogits[ours]! },
    spread: standardDeviation(peerLogits.map((logit, id) => logit - logits[id]!)),
  };
};

const standardDeviation = (values: readonly number[]): number => {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  return Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length);
};
