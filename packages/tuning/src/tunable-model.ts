import type { EncodedPrompt, Evaluator, TaskEvaluator, TaskEvaluatorOptions, TaskModel } from "@kvtuner/evaluation";
import type { Asset, CacheShape, LayerScheme, ModelIdentity } from "@kvtuner/plan";
import type { Rope } from "@kvtuner/quantizers";
import type { LayerDistribution } from "@kvtuner/sensitivity";

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
  /** Called after each token. */
  readonly onProgress?: (done: number, total: number) => void;
}

/** What {@link TunableModel.gradients} is asked for. */
export interface GradientOptions {
  /** Random combinations of labels; each gives one gradient. */
  readonly draws: number;
  /** 32-bit integer; the same seed gives the same labels. */
  readonly seed: number;
  /** Labels as the model predicts them (default), or the tokens that really follow, which make one draw. */
  readonly labels?: "predicted" | "next";
  /** Whether a position of a sample has labels: what its token predicts counts. */
  readonly counts: (sample: number, position: number) => boolean;
  /** Static tables that the schemes of {@link PlaceGradients.attend} name. */
  readonly assets?: readonly Asset[];
  /** Lets a later run go on where this one was cut short. A model may ignore it. */
  readonly checkpoint?: GradientCheckpoint;
  readonly signal?: AbortSignal;
}

/** Cotangents between two places where a model attends, by the names of tensors. */
export type CotangentArrays = Readonly<Record<string, Float32Array>>;

/** Keeps cotangents at places where a backward pass can go on. */
export interface GradientCheckpoint {
  /** What an earlier run kept: only places below this one are visited. Undefined starts with the last place. */
  readonly kept?: { readonly hole: number; readonly read: (sample: number) => Promise<CotangentArrays> } | undefined;
  /** Called for each sample in order after visits of all samples at a place. The arrays are valid until it resolves. */
  keep(hole: number, sample: number, arrays: CotangentArrays): Promise<void>;
}

/** One place where the model attends, over one sample, as the float model runs it. */
export interface PlaceGradients {
  /** Index of the sample. */
  readonly sample: number;
  /** The layer whose cache is read. */
  readonly layer: number;
  /** Whether the layer itself attends here, not one that shares its cache. Comes after all that share it. */
  readonly isOwn: boolean;
  readonly trace: LayerTrace;
  /**
   * By draw: gradient of the log-likelihood of labels, as the model itself predicts them, with respect to the attention output:
   * float32 `[tokens, queryHeads * valueSize]`.
   */
  readonly gradients: readonly Float32Array[];
  /**
   * The attention output with a cache under this scheme, laid out as a gradient.
   *
   * @param assets static tables that the scheme names; those of the options by default
   */
  attend(scheme: LayerScheme, assets?: readonly Asset[]): Promise<Float32Array>;
}

/** What tasks need from a model. */
export interface TaskSupport extends TaskModel {
  /** Evaluates plans on prompts. */
  evaluator(
    prompts: readonly EncodedPrompt[],
    options: Pick<TaskEvaluatorOptions, "maxTokens" | "likelihood">,
  ): Promise<TaskEvaluator>;
}

/** What the pipeline needs from a model. `openModel` makes one from a GGUF file; any other implementation can be tuned too. */
export interface TunableModel {
  readonly identity: ModelIdentity;
  readonly shape: CacheShape;
  /** Token ids of a text, with nothing added. */
  encode(text: string): Int32Array;
  /** Token ids that every sample begins with, such as BOS; none by default. */
  readonly startIds?: readonly number[];
  /** Samples one continuation per prompt: token ids without the prompt's, always `tokens` long. */
  continuations(prompts: readonly string[], options: ContinuationOptions): Promise<Int32Array[]>;
  /** Scores plans on samples of token ids; each sample is its own context. */
  evaluator(samples: readonly Int32Array[]): Promise<Evaluator>;
  /** Runs the float model over one sample and shows each layer's query, key and value. */
  trace(sample: Int32Array, visit: (layer: number, trace: LayerTrace) => void | Promise<void>): Promise<void>;
  /**
   * Runs the float model over samples, forward and backward, and visits each place where it attends, from the last to the first and
   * there each sample in order. What a visit gets is valid until it is done. Without it, layers can only be measured one by one.
   */
  gradients?(
    samples: readonly Int32Array[],
    options: GradientOptions,
    visit: (place: PlaceGradients) => Promise<void>,
  ): Promise<void>;
  /** RoPE of each layer with a cache, undefined for one without; without it, keys are coded as they are stored. */
  ropes?(): Promise<readonly (Rope | undefined)[]>;
  /** Queries and keys of each layer as the weights predict them; without it difficult keys are not warned about. */
  distributions?(): Promise<readonly LayerDistribution[]>;
  /** Answers prompts; without it a model can be tuned on text only. */
  readonly tasks?: TaskSupport;
  /** Frees memory and closes files. */
  dispose(): Promise<void>;
}
