import type { EncodedPrompt, Evaluator, TaskEvaluator, TaskEvaluatorOptions, TaskModel } from "@kvtuner/evaluation";
import type { CacheShape, ModelIdentity } from "@kvtuner/plan";

/** Query, key and value of one layer over one sample, after RoPE; float32, row-major `[tokens, heads * headSize]`. */
export interface LayerTrace {
  readonly query: Float32Array;
  readonly key: Float32Array;
  readonly value: Float32Array;
}

/** How the model's own text is sampled. */
export interface ContinuationOptions {
  /** New tokens of each continuation. */
  readonly tokens: number;
  /** 32-bit integer; the same seed gives the same text. */
  readonly seed: number;
  /** Told after each token. */
  readonly onProgress?: (done: number, total: number) => void;
}

/** What tasks ask of a model. */
export interface TaskSupport extends TaskModel {
  /** Puts prompts to plans. */
  evaluator(
    prompts: readonly EncodedPrompt[],
    options: Pick<TaskEvaluatorOptions, "maxTokens" | "likelihood">,
  ): Promise<TaskEvaluator>;
}

/** What the pipeline asks of a model. `openModel` makes one from a GGUF file; anything else that can do this can be tuned too. */
export interface TunableModel {
  readonly identity: ModelIdentity;
  readonly shape: CacheShape;
  /** Token ids of a text as it is: nothing added before or after. */
  encode(text: string): Int32Array;
  /** What every sample of text begins with, such as BOS; nothing by default. */
  readonly startIds?: readonly number[];
  /** One sampled continuation a prompt, token ids without the prompt's, never ended early. */
  continuations(prompts: readonly string[], options: ContinuationOptions): Promise<Int32Array[]>;
  /** Scores plans on samples of token ids, each a context of its own. */
  evaluator(samples: readonly Int32Array[]): Promise<Evaluator>;
  /** Runs the float model over one sample and shows each layer's query, key and value. */
  trace(sample: Int32Array, visit: (layer: number, trace: LayerTrace) => void | Promise<void>): Promise<void>;
  /** Answers prompts; without it a model can be tuned on text only. */
  readonly tasks?: TaskSupport;
  /** Gives back memory and files. */
  dispose(): Promise<void>;
}
