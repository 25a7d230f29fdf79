import type { Decoder } from "@kvtuner/decoder";
import type { Asset } from "@kvtuner/plan";
import type { ActivationStore } from "../activation-store.ts";
import { type ActivationOptions, plansTogether } from "../activations.ts";
import { createSampleAttention, type SampleAttention } from "../sample-attention.ts";
import { type Filling, type Finished, planTree, runTree } from "../tree-run.ts";
import { groupedBySize, packAttention, packed, packPositions } from "./pack.ts";
import type { Sequence } from "./sequence.ts";

/** Tokens per call of a segment; enough that starting the call costs little. */
const PACK_TOKENS = 2048;

/** Tokens whose residuals, queries, keys and values are held at once, at every layer where plans part. */
const HELD_TOKENS = 16_384;

/** A pass over sequences under several plans. */
export interface ForcedPass {
  readonly sequences: readonly Sequence[];
  /** How each plan fills the layers. */
  readonly plans: readonly (readonly Filling[])[];
  /** The assets of the plans, for schemes that name some. */
  readonly assets?: readonly Asset[] | undefined;
  /** Holds states between two layers. */
  readonly store: ActivationStore;
  readonly activations: Pick<ActivationOptions, "rowsPerSegment">;
  /** Aborts between two layers. */
  readonly signal?: AbortSignal;
  /** Receives one plan's last residuals, `[wanted, hiddenSize]`, of the rows that predict each sequence's answer. */
  readonly finish: (plan: number, residuals: readonly Float32Array[]) => Promise<void>;
}

/**
 * Runs sequences through a decoder under plans, some sequences at a time. Plans that agree on their first layers share that
 * work. A sequence's rows are those of a cache fed token by token.
 */
export const forcedPass = async (decoder: Decoder, pass: ForcedPass): Promise<void> => {
  const attention = createSampleAttention(decoder.shape, decoder.attention, pass.assets);
  const pieces = groupedBySize(pass.sequences, ({ ids }) => ids.length, HELD_TOKENS);
  const rows = pass.plans.map((): Float32Array[] => []);
  for (const [index, piece] of pieces.entries())
    await runPiece(decoder, attention, pass, piece, async (plan, residuals) => {
      for (const residual of residuals) rows[plan]!.push(residual);
      if (index < pieces.length - 1) return;
      await pass.finish(plan, rows[plan]!.splice(0));
    });
};

const runPiece = async (
  decoder: Decoder,
  attention: SampleAttention,
  { plans, store, activations, signal }: ForcedPass,
  sequences: readonly Sequence[],
  take: (plan: number, residuals: readonly Float32Array[]) => Promise<void>,
): Promise<void> => {
  // Recurrent layers would carry the state of one sequence to the next.
  const packs = packed(sequences, decoder.shape.recurrent ? 0 : PACK_TOKENS);
  const width = decoder.config.hiddenSize;
  /** The rows that predict each sequence's answer. */
  const answersOf = async ({ residuals }: Finished): Promise<Float32Array[]> => {
    const answers: Float32Array[] = [];
    for (const [index, { items, starts }] of packs.entries()) {
      await residuals[index]!.use(async ([residual]) => {
        for (const [item, { firstRow, wanted }] of items.entries()) {
          const from = (starts[item]! + firstRow) * width;
          answers.push(residual!.slice(from, from + wanted.length * width));
        }
      });
    }
    return answers;
  };
  const run = {
    decoder,
    samples: packs.map(({ ids }) => ids),
    positions: packs.map((pack) => packPositions(decoder, pack)),
    attention: packAttention(attention, packs),
    store,
    width: plansTogether(
      decoder,
      sequences.reduce((sum, { ids }) => sum + ids.length, 0),
      store,
      activations,
    ),
    signal,
    finish: async (finished: readonly Finished[]): Promise<void> => {
      for (const one of finished) {
        const answers = await answersOf(one);
        for (const plan of one.ends) await take(plan, answers);
      }
    },
  };
  await runTree(run, planTree(decoder.shape, plans));
};
