import type { CreateSession, Decoder, HoleInputs, RowPositions } from "@kvtuner/decoder";
import { type CacheShape, KvtunerError, type LayerScheme } from "@kvtuner/plan";
import { Tensor } from "onnxruntime-common";
import { type PrefixNode, prefixTree } from "./prefix-sharing.ts";
import { joinWindows, type Score } from "./score.ts";
import { type BaseWindow, createScorer, type Scorer } from "./scorer.ts";
import { createWindowAttention, type WindowAttention } from "./window-attention.ts";

/** Scores plans on fixed windows of text, each as a packed cache fed token by token would do. */
export interface Evaluator {
  readonly shape: CacheShape;
  /** The float cache itself. */
  base(): Promise<{ readonly perplexity: number; readonly tokens: number }>;
  /**
   * Scores plans, one layer scheme a layer. Plans that agree on their first layers share that work, so order and batch
   * change the cost and never a score. `onScore` hears each plan as it is done.
   */
  evaluate(
    plans: readonly (readonly LayerScheme[])[],
    onScore?: (index: number, score: Score) => void | Promise<void>,
  ): Promise<Score[]>;
  dispose(): Promise<void>;
}

/** What {@link createEvaluator} takes. */
export interface EvaluatorOptions {
  readonly decoder: Decoder;
  /** Token ids, all windows equally long, each a context of its own from position 0. */
  readonly windows: readonly Int32Array[];
  readonly createSession: CreateSession;
  /** Aborts between two plans. */
  readonly signal?: AbortSignal;
}

/**
 * Makes an evaluator in this process. The decoder stays the caller's to dispose of.
 *
 * @throws EvaluationError `EVALUATION_WINDOWS` when there is no window or their lengths differ
 */
export const createEvaluator = async (options: EvaluatorOptions): Promise<Evaluator> => {
  const { decoder, windows } = options;
  const tokens = checkWindows(windows);
  const scorer = await createScorer(decoder, options.createSession);
  const run: Run = {
    decoder,
    windows,
    attention: createWindowAttention(decoder.shape, decoder.attention),
    scorer,
    positions: decoder.positions(Array.from({ length: tokens }, (_, position) => position)),
    ...(options.signal && { signal: options.signal }),
  };
  let baseWindows: Promise<BaseWindow[]> | undefined;
  const base = (): Promise<BaseWindow[]> => (baseWindows ??= runBase(run));
  return {
    shape: decoder.shape,
    base: async () => {
      const losses = (await base()).map((window) => window.negativeLogLikelihood);
      return {
        perplexity: Math.exp(losses.reduce((sum, loss) => sum + loss, 0) / losses.length),
        tokens: tokens * windows.length,
      };
    },
    evaluate: async (plans, onScore) => {
      for (const plan of plans) checkLayers(plan, decoder.shape);
      return scorePlans(run, await base(), plans, onScore);
    },
    dispose: () => scorer.dispose(),
  };
};

interface Run {
  readonly decoder: Decoder;
  readonly windows: readonly Int32Array[];
  readonly attention: WindowAttention;
  readonly scorer: Scorer;
  readonly positions: RowPositions;
  readonly signal?: AbortSignal;
}

const runBase = async (run: Run): Promise<BaseWindow[]> => {
  const results: BaseWindow[] = [];
  for (const ids of run.windows) {
    let hole = await run.decoder.first(ids, run.positions);
    for (let layer = 0; layer < run.decoder.shape.layers - 1; layer++)
      hole = await passLayer(run, layer, hole, undefined);
    results.push(await run.scorer.base(await passLast(run, hole, undefined), ids));
  }
  return results;
};

const scorePlans = async (
  run: Run,
  base: readonly BaseWindow[],
  plans: readonly (readonly LayerScheme[])[],
  onScore?: (index: number, score: Score) => void | Promise<void>,
): Promise<Score[]> => {
  const scores: Score[] = [];
  const finish = async (residuals: readonly Float32Array[], ends: readonly number[]): Promise<void> => {
    const score = await scoreResiduals(run, base, residuals);
    for (const index of ends) {
      scores[index] = score;
      await onScore?.(index, score);
    }
  };
  const holes: HoleInputs[] = [];
  for (const ids of run.windows) holes.push(await run.decoder.first(ids, run.positions));
  await descend(run, prefixTree(plans, JSON.stringify), 0, holes, finish);
  return scores;
};

/** Depth first: the windows' states at this depth serve every branch below it. */
const descend = async (
  run: Run,
  node: PrefixNode<LayerScheme>,
  layer: number,
  holes: readonly HoleInputs[],
  finish: (residuals: readonly Float32Array[], ends: readonly number[]) => Promise<void>,
): Promise<void> => {
  const attend = holes.map((hole) => run.attention.layer(tensorsOf(hole)));
  for (const { step, next } of node.branches) {
    run.signal?.throwIfAborted();
    const outputs: Tensor[] = [];
    for (const [window, hole] of holes.entries())
      outputs.push(new Tensor("float32", await attend[window]!(step), hole.query.dims));
    if (layer === run.decoder.shape.layers - 1) {
      const residuals: Float32Array[] = [];
      for (const [window, hole] of holes.entries())
        residuals.push((await run.decoder.last(hole.residual, outputs[window]!)).data as Float32Array);
      await finish(residuals, next.ends);
    } else {
      const following: HoleInputs[] = [];
      for (const [window, hole] of holes.entries())
        following.push(await run.decoder.next(layer, hole.residual, outputs[window]!, run.positions));
      await descend(run, next, layer + 1, following, finish);
    }
  }
};

const passLayer = async (
  run: Run,
  layer: number,
  hole: HoleInputs,
  scheme: LayerScheme | undefined,
): Promise<HoleInputs> => run.decoder.next(layer, hole.residual, await attention(run, hole, scheme), run.positions);

const passLast = async (run: Run, hole: HoleInputs, scheme: LayerScheme | undefined): Promise<Float32Array> =>
  (await run.decoder.last(hole.residual, await attention(run, hole, scheme))).data as Float32Array;

const attention = async (run: Run, hole: HoleInputs, scheme: LayerScheme | undefined): Promise<Tensor> =>
  new Tensor("float32", await run.attention.layer(tensorsOf(hole))(scheme), hole.query.dims);

const tensorsOf = ({
  query,
  key,
  value,
}: HoleInputs): { query: Float32Array; key: Float32Array; value: Float32Array } => ({
  query: query.data as Float32Array,
  key: key.data as Float32Array,
  value: value.data as Float32Array,
});

const scoreResiduals = async (
  run: Run,
  base: readonly BaseWindow[],
  residuals: readonly Float32Array[],
): Promise<Score> => {
  const scores = [];
  for (const [window, ids] of run.windows.entries())
    scores.push(await run.scorer.score(residuals[window]!, ids, base[window]!));
  return joinWindows(scores, base, run.windows.length * run.windows[0]!.length);
};

const checkWindows = (windows: readonly Int32Array[]): number => {
  const length = windows[0]?.length ?? 0;
  if (length >= 2 && windows.every((window) => window.length === length)) return length;
  throw new EvaluationError(
    "EVALUATION_WINDOWS",
    `expected at least one window, all of one length of at least 2 tokens, got lengths [${windows.map((window) => window.length).join(", ")}]`,
  );
};

const checkLayers = (plan: readonly LayerScheme[], shape: CacheShape): void => {
  if (plan.length === shape.layers) return;
  throw new EvaluationError(
    "EVALUATION_LAYERS",
    `expected a plan of ${shape.layers} layers for this model, got ${plan.length}`,
  );
};

/** Windows or plans that cannot be scored; `code` says why. */
export class EvaluationError extends KvtunerError {
  override readonly name = "EvaluationError";
}
