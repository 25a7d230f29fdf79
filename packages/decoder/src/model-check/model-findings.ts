import { formatBytes, type KvtunerError, uniformSizes } from "@kvtuner/plan";
import type { WeightSource } from "../architecture/weights.ts";
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

/** Memory of the machine, and what the model needs for each way to hold its weights; asked if it can be run. */
export interface MemoryNeed {
  readonly availableBytes: number;
  readonly peaks: () => readonly { readonly weights: string; readonly peakBytes: number }[];
}

/**
 * Checks a model file: whether it can be run, everything in the way, its tensor types and tokenizer, and the memory that
 * weights and cache need. Reads the header only.
 */
export const modelFindings = async (source: WeightSource, memory: MemoryNeed): Promise<ModelFinding[]> => {
  const check = await examineModel(source);
  return [
    ...architectureFindings(check),
    ...check.faults.map(faultFinding),
    ...tensorFindings(check),
    ...tokenizerFindings(check),
    ...(check.config ? [weightsFinding(memory)] : []),
    ...cacheFindings(check),
  ];
};

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
  [/^GGUF_/, "file"],
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
  if (own && config)
    return [
      ok(
        "architecture",
        `${own.architecture}, ${config.layers} layers`,
        `supported; trained on ${config.contextLength} tokens`,
      ),
    ];
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

const tokenizerFindings = ({ tokenizer }: ModelExamination): ModelFinding[] => {
  if (tokenizer === undefined) return [];
  const finding = ok("tokenizer", `${tokenizer.vocabularySize} tokens`, "supported");
  const [warning] = tokenizer.warnings;
  if (warning === undefined) return [finding];
  const [message, remedy] = halves(warning);
  return [{ ...finding, status: "warning", message, ...(remedy !== undefined && { remedy }) }];
};

const weightsFinding = ({ availableBytes, peaks }: MemoryNeed): ModelFinding => {
  const needs = peaks();
  const fitting = needs.filter(({ peakBytes }) => peakBytes <= availableBytes).map(({ weights }) => weights);
  const sizes = needs.map(({ weights, peakBytes }) => `${formatBytes(peakBytes)} with ${weights} weights`);
  const finding = ok(
    "weights",
    `${sizes.join(", ")}; ${formatBytes(availableBytes)} available`,
    "peak memory of a run",
  );
  if (fitting.length === needs.length) return finding;
  const remedy =
    fitting.length === 0 ? "close other programs, or use a smaller model" : `use ${fitting.join(" or ")} weights`;
  return { ...finding, status: "warning", remedy };
};

const cacheFindings = ({ shape, config }: ModelExamination): ModelFinding[] => {
  if (shape === undefined || config === undefined) return [];
  const sizes = ([16, 4] as const).flatMap((bits) =>
    uniformSizes(shape, [{ key: bits, value: bits }], config.contextLength),
  );
  const found = sizes
    // At 16 bits all modes store the same.
    .filter(({ plan }, index) => index === 0 || !plan.endsWith("K16V16"))
    .map(({ plan, bytes }) => `${formatBytes(bytes)} as ${plan.endsWith("K16V16") ? "none" : plan}`);
  return [ok("cache", found.join(", "), `at ${config.contextLength} tokens, the model's context`)];
};
