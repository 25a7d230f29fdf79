import { type CacheShape, formatBytes, KvtunerError, stateBytes, uniformSizes } from "@kvtuner/plan";
import type { WeightSource } from "../architecture/weights.ts";
import type { Tokenizer } from "../tokenizer/tokenizer.ts";
import { examineModel, type ModelExamination } from "./examine-model.ts";

/** One finding about a model file, for people. */
export interface ModelFinding {
  /** What it is about; stable. */
  readonly name: "file" | "architecture" | "metadata" | "tensors" | "tensor-types" | "tokenizer" | "weights" | "cache";
  /** Fine, worth knowing, or in the way of running the model. */
  readonly status: "ok" | "warning" | "problem";
  readonly found: string;
  /** What it means. */
  readonly message: string;
  readonly remedy?: string;
}

/** How a run holds the weights. */
export interface HeldWeights {
  /** Name of the way. */
  readonly weights: string;
  /** Memory of the process at its peak, bytes. */
  readonly peakBytes: number;
  /** Segments open at a time; absent for all. */
  readonly residentSegments?: number;
}

/** A model of which only the header was read. */
export interface ModelHeader {
  readonly architecture: string;
  readonly shape: CacheShape;
  /** Context length of the model, tokens. */
  readonly contextLength: number;
  readonly tokenizer: Tokenizer;
  /** Memory that its weights take, bytes. */
  readonly weightBytes: number;
}

/**
 * Checks a model file: whether it can be run, everything in the way, its tensor types and tokenizer, and the memory that
 * weights and cache need. Reads the header only.
 *
 * @param chooseWeights how a run would hold the weights; called if the model is supported. A `KvtunerError` that it throws
 *   is a problem.
 */
export const modelFindings = async (
  source: WeightSource,
  chooseWeights: () => HeldWeights,
): Promise<ModelFinding[]> => {
  const check = await examineModel(source);
  return [
    ...architectureFindings(check),
    ...check.faults.map(faultFinding),
    ...tensorFindings(check),
    ...tokenizerFindings(check),
    ...(check.config ? [weightsFinding(chooseWeights)] : []),
    ...cacheFindings(check),
  ];
};

/** The findings about a sound model whose files are used as they are, such as an exported ONNX model. */
export const headerFindings = (header: ModelHeader): ModelFinding[] => [
  architectureFinding(header.architecture, header.shape.layers, header.contextLength),
  ...tokenizerFindings(header),
  ok("weights", formatBytes(header.weightBytes), "memory that they take up to; they stay in their files"),
  cacheFinding(header.shape, header.contextLength),
];

const ok = (name: ModelFinding["name"], found: string, message: string): ModelFinding => ({
  name,
  status: "ok",
  found,
  message,
});

const SUBJECTS: readonly (readonly [codes: RegExp, name: ModelFinding["name"]])[] = [
  [/^TOKENIZER_/, "tokenizer"],
  [/ARCHITECTURE/, "architecture"],
  [/_TENSOR_TYPE|^MODEL_TENSOR|LAYER_COUNT/, "tensors"],
  [/^GGUF_|^EXPORT_(FILES|DAMAGED)/, "file"],
  [/^EXPORT_UNSUPPORTED/, "architecture"],
  [/^MODEL_MEMORY/, "weights"],
];

/** An error about a model as a finding; messages end in what to do. */
export const faultFinding = ({ message, code }: KvtunerError): ModelFinding => {
  const [found, remedy] = halves(message);
  return {
    name: SUBJECTS.find(([codes]) => codes.test(code))?.[1] ?? "metadata",
    status: "problem",
    found,
    message: `the model cannot be run: ${code}`,
    remedy: remedy ?? "use another model",
  };
};

const halves = (message: string): [string, string?] => {
  const end = message.lastIndexOf("; ");
  return end < 0 ? [message] : [message.slice(0, end), message.slice(end + 2)];
};

const architectureFindings = ({ own, nearest, config }: ModelExamination): ModelFinding[] => {
  if (own && config) return [architectureFinding(own.architecture, config.layers, config.contextLength)];
  if (nearest === undefined) return [];
  const lacks = [...nearest.faults.map(({ message }) => halves(message)[0]), ...unread(nearest.unreadTensors)];
  return [
    {
      name: "architecture",
      status: "warning",
      found: `read as ${nearest.architecture}: ${lacks.length === 0 ? "nothing is missing" : lacks.join("; ")}`,
      message: "the supported architecture of the most similar name",
    },
  ];
};

const architectureFinding = (architecture: string, layers: number, contextLength: number): ModelFinding =>
  ok("architecture", `${architecture}, ${layers} layers`, `supported; trained on ${contextLength} tokens`);

const unread = (parts: readonly string[]): string[] =>
  parts.length === 0 ? [] : [`tensors of layers that it does not read: ${parts.join(", ")}`];

const tensorFindings = ({ own, tensorTypes }: ModelExamination): ModelFinding[] => [
  ok("tensor-types", tensorTypes.map(({ type, tensors }) => `${tensors} ${type}`).join(", "), "tensors of each type"),
  ...unread(own?.unreadTensors ?? []).map((found): ModelFinding => ({
    name: "tensors",
    status: "warning",
    found: `${own!.architecture}: ${found}`,
    message: "the model runs without them, so its outputs may be wrong",
    remedy: "compare its text with another program's, and report this",
  })),
];

const tokenizerFindings = ({ tokenizer }: Pick<ModelExamination, "tokenizer">): ModelFinding[] => {
  if (tokenizer === undefined) return [];
  const finding = ok("tokenizer", `${tokenizer.vocabularySize} tokens`, "supported");
  const [warning] = tokenizer.warnings;
  if (warning === undefined) return [finding];
  const [message, remedy] = halves(warning);
  return [{ ...finding, status: "warning", message, ...(remedy !== undefined && { remedy }) }];
};

const weightsFinding = (chooseWeights: () => HeldWeights): ModelFinding => {
  try {
    const { weights, peakBytes, residentSegments } = chooseWeights();
    const finding = ok("weights", `${formatBytes(peakBytes)} with ${weights} weights`, "peak memory of a run");
    if (residentSegments === undefined) return finding;
    const found = `${finding.found}, ${residentSegments} segments open at a time`;
    return { ...finding, status: "warning", found, remedy: "close other programs to run it faster" };
  } catch (error) {
    if (!KvtunerError.isInstance(error)) throw error;
    return faultFinding(error);
  }
};

const cacheFindings = ({ shape, config }: ModelExamination): ModelFinding[] =>
  shape === undefined || config === undefined ? [] : [cacheFinding(shape, config.contextLength)];

const cacheFinding = (shape: CacheShape, contextLength: number): ModelFinding => {
  const sizes = ([16, 4] as const).flatMap((bits) => uniformSizes(shape, [{ key: bits, value: bits }], contextLength));
  const found = sizes
    // At 16 bits all modes store the same.
    .filter(({ plan }, index) => index === 0 || !plan.endsWith("K16V16"))
    .map(({ plan, bytes }) => `${formatBytes(bytes)} as ${plan.endsWith("K16V16") ? "none" : plan}`);
  const states = stateBytes(shape);
  if (states > 0) found.push(`${formatBytes(states)} more for states at any length`);
  return ok("cache", found.join(", "), `at ${contextLength} tokens, the model's context`);
};
