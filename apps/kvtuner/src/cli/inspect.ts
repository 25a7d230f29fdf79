import { formatBytes, modelLayers } from "@kvtuner/plan";
import { describeDifficulty, type Given } from "@kvtuner/tuning";
import { Command } from "commander";
import { inspect, type InspectResult, type ModelReport, type PlanReport, type StudyReport } from "../inspect.ts";
import { INSPECT_OPTIONS, JSON_OPTION } from "../options.ts";
import { plainTable } from "../plain-table.ts";
import { examples } from "./examples.ts";
import { frontTable, strip } from "./format.ts";
import { withOptions } from "./options.ts";
import { progressView } from "./progress-view.ts";
import { type Piece, type Terminal, warn } from "./terminal.ts";

const FLAGS = { ...INSPECT_OPTIONS, ...JSON_OPTION };

/** `kvtuner inspect MODEL|PLAN|STUDY`. */
export const inspectCommand = (terminal: Terminal, signal: AbortSignal): Command =>
  withOptions(new Command("inspect"), FLAGS)
    .description("show a model's cache size, a plan layer by layer, or a study's results")
    .argument("<target>", "GGUF file, folder of an ONNX model, hf:OWNER/NAME, model name, plan file or study folder")
    .addHelpText("after", EXAMPLES)
    .action(async (target: string, { json, ...options }: Given<typeof FLAGS>) => {
      const view = progressView(terminal, false);
      const onWarning = (message: string): void => warn(terminal, message);
      const result = await inspect({ target, ...options, onProgress: view.show, onWarning, signal }).finally(view.end);
      terminal.out(...(json === true ? [JSON.stringify(result)] : describe(result, terminal)), "\n");
    });

const EXAMPLES = examples([
  ["kvtuner inspect smollm2 --budget 40MB --context 8192", "size of a model's cache, and the plans that fit"],
  ["kvtuner inspect studies/mine", "a study's front, layer by layer"],
  ["kvtuner inspect studies/mine/plan.json --json", "one plan as JSON"],
]);

const describe = (result: InspectResult, terminal: Terminal): Piece[] => {
  switch (result.kind) {
    case "model":
      return [describeModel(result), "\n", difficultyOf(result)];
    case "plan":
      return describePlan(result, terminal);
    case "study":
      return describeStudy(result, terminal);
  }
};

const describeModel = (report: ModelReport): string => {
  const { model, shape, bytesPerToken, context, bytes16, budget, uniform } = report;
  return [
    `${model.name} (${model.architecture}): ${countOf(shape)} with a cache`,
    ...(model.source === undefined ? [] : [`from ${model.source}`]),
    layerTable(report),
    ...memoryLines(report),
    `a token takes ${formatBytes(bytesPerToken)} at 16 bits, ${context} tokens take ${formatBytes(bytes16)}`,
    ...stateLines(report),
    budget === undefined
      ? "one pair in every layer:"
      : `one pair in every layer that fits ${formatBytes(budget)} at ${context} tokens:`,
    plainTable(
      ["plan", "true bits", `bytes at ${context}`],
      uniform
        .filter(({ fits }) => fits !== false)
        .map(({ plan, bits, bytes: size }) => [plan, bits.toFixed(3), formatBytes(size)]),
    ),
  ].join("\n");
};

const memoryLines = ({ weights, weightBytes = 0, peakBytes = 0 }: ModelReport): string[] =>
  weights === undefined
    ? [
        `running it takes up to about ${formatBytes(peakBytes)} of memory, of which weights take ${formatBytes(weightBytes)}; they stay in their files`,
      ]
    : [
        `running it takes up to about ${formatBytes(weights.compact.peakBytes)} of memory with --weights compact; with exact, ${formatBytes(weights.exact.anonymousBytes)} and up to ${formatBytes(weights.exact.peakBytes - weights.exact.anonymousBytes)} of mapped files`,
        `the first load writes ${formatBytes(weights.compact.diskBytes)} for compact, ${formatBytes(weights.exact.diskBytes)} for exact`,
      ];

const countOf = (shape: ModelReport["shape"]): string => {
  const { layers, recurrent } = shape;
  return recurrent === undefined
    ? `${layers} layers`
    : `${layers} of ${modelLayers(shape).length + recurrent.length} layers`;
};

const stateLines = ({ shape: { recurrent = [] }, stateBytes }: ModelReport): string[] =>
  stateBytes === undefined
    ? []
    : [
        `the states of ${recurrent.length} layers without a cache take ${formatBytes(stateBytes)} more at any length, in 32 bits; plans leave them out`,
      ];

const layerTable = ({ layers, context }: ModelReport): string =>
  plainTable(
    ["layers", "attention", "query heads", "KV heads", "head size", `16-bit bytes each at ${context}`],
    layers.map((layer) => [
      layer.first === layer.last ? String(layer.first) : `${layer.first}-${layer.last}`,
      ...(layer.attention === "none"
        ? [`none, ${layer.kind}`, "", "", "", `state of ${formatBytes(layer.stateBytes)}`]
        : attentionCells(layer)),
    ]),
  );

const attentionCells = ({
  attention,
  span,
  cacheOf,
  queryHeads,
  kvHeads,
  headSize,
  bytes,
}: Exclude<ModelReport["layers"][number], { attention: "none" }>): string[] => [
  [attention, ...(cacheOf === undefined ? [] : [`with ${cacheOf}`]), ...(span === undefined ? [] : [span])].join(" "),
  ...[queryHeads, kvHeads, headSize].map(String),
  formatBytes(bytes),
];

const difficultyOf = ({ difficulty }: ModelReport): string => {
  const { verdict, head, rows, layers } = describeDifficulty(difficulty);
  return [verdict, plainTable(head, rows), ...layers].join("\n");
};

const describePlan = (report: PlanReport, terminal: Terminal): Piece[] => {
  const { plan, assetBytes, pairs, context, bits, equivalentBits, fits } = report;
  const measured =
    plan.measured === undefined ? "not measured" : `KL ${plan.measured.kl.toPrecision(3)} on ${plan.measured.text}`;
  const verdict = fits === undefined ? "" : fits ? ", fits the budget" : ", does not fit the budget";
  const assets = assetBytes === undefined ? "" : `, and ${formatBytes(assetBytes)} of assets at any length`;
  return [
    `plan for ${plan.model.name}: ${bits.toFixed(3)} true bits, ${equivalentBits.toFixed(3)} equivalent bits; ${measured}\n`,
    `${formatBytes(report.bytes)} at ${context} tokens${verdict}${assets}\n`,
    ...strip(pairs, plan.shape, terminal),
  ];
};

const describeStudy = (
  { settings, files, front, evaluations, hypervolume }: StudyReport,
  terminal: Terminal,
): Piece[] => [
  [
    `study of ${settings.model.name}, mode ${settings.codecs?.join(" and ") ?? settings.mode}, ${settings.pairs.length} pairs, ${settings.samples} ${settings.samples === 1 ? "sample" : "samples"} of ${settings.sampleLength} tokens`,
    `files: ${files.join(", ")}`,
    front.length === 0
      ? "no front yet: run tune again with the same settings"
      : frontTable(front, undefined, settings.context),
    ...(hypervolume === undefined ? [] : [`${evaluations} plans evaluated, hypervolume ${hypervolume.toFixed(3)}`]),
  ].join("\n"),
  ...front.flatMap(({ bits, kl, pairs }) => [
    `\n${bits.toFixed(3)} bits, KL ${kl.toPrecision(3)}\n`,
    ...strip(pairs, settings.shape, terminal),
  ]),
];
