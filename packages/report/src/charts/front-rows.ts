import { formatBytes } from "@kvtuner/plan";
import { additiveFrontTable } from "@kvtuner/search";
import { lossTable, planCost, uniformPlan, type PlanCost } from "@kvtuner/tuning";
import type { Column } from "../chart/chart.ts";
import type { PricedEntry, ReportData } from "../data/data.ts";
import { bitsText, choiceLabels, klText, pairCounts, percentText, tokensText } from "../text/figures.ts";

/** Kinds of points in the front's chart, in the order of the legend. */
export const KINDS = [
  "picked plan",
  "front",
  "one pair everywhere",
  "one pair everywhere, predicted",
  "beaten by others",
  "given up early",
  "not yet evaluated on all prompts",
] as const;

/** A point of the front's chart. */
export interface FrontRow extends Pick<PlanCost, "bits" | "bytes" | "equivalentBits"> {
  readonly kind: (typeof KINDS)[number];
  readonly label: string;
  readonly kl: number;
  /** 0 if there is none: one sample, or predicted. */
  readonly klStandardError: number;
  readonly top1: number | undefined;
  readonly perplexity: number | undefined;
  readonly pairs: string;
}

/** Kinds of plans evaluated on all samples and prompts. */
const WHOLE: readonly FrontRow["kind"][] = ["picked plan", "front", "one pair everywhere", "beaten by others"];

/** Whether a point was measured on everything. Others are not part of a front. */
export const isWhole = ({ kind }: Pick<FrontRow, "kind">): boolean => WHOLE.includes(kind);

/** A point of the surrogate's front. */
export interface PredictedRow {
  readonly bits: number;
  readonly kl: number;
}

/** A loss that a logarithmic axis can show. */
export const SMALLEST_KL = 1e-9;

/** All measured plans, and predictions for the uniform plans that were not; cheapest first. */
export const frontRows = (data: ReportData): FrontRow[] =>
  [...data.evaluated.map((entry) => measuredRow(data, entry)), ...predictedUniform(data)].toSorted(
    (one, other) => one.bits - other.bits || other.kl - one.kl,
  );

const measuredRow = ({ space }: ReportData, entry: PricedEntry): FrontRow => ({
  ...entry,
  top1: entry.top1,
  perplexity: entry.perplexity,
  kind: kindOf(entry),
  label: entry.uniform ?? "",
  pairs: pairCounts(entry.pairs, choiceLabels(space)),
});

/** Kind of an evaluated plan. A partial evaluation comes first, because its figures cover fewer prompts. */
export const kindOf = ({ picked, uniform, onFront, task, isUnderWay }: PricedEntry): FrontRow["kind"] => {
  if (picked) return "picked plan";
  if (isUnderWay) return "not yet evaluated on all prompts";
  if (task?.isComplete === false) return "given up early";
  if (uniform !== undefined) return "one pair everywhere";
  return onFront ? "front" : "beaten by others";
};

/** Predicts a uniform plan's loss as the sum of its layers' single losses. */
const predictedUniform = ({ space, shown, profile, evaluated }: ReportData): FrontRow[] => {
  if (profile === undefined) return [];
  const measured = new Set(evaluated.map(({ uniform }) => uniform));
  const losses = lossTable(profile);
  return shown.flatMap((choice) => {
    const name = space.choices[choice]!.label;
    if (measured.has(name)) return [];
    const kl = losses.reduce((sum, layer) => sum + Math.max(0, layer[choice] ?? 0), 0);
    const layers = uniformPlan(space, choice);
    return {
      ...planCost(space, layers),
      kind: "one pair everywhere, predicted" as const,
      label: name,
      kl,
      klStandardError: 0,
      top1: undefined,
      perplexity: undefined,
      pairs: `${name} x ${layers.length}`,
    };
  });
};

/** Tooltip of a point. */
export const frontColumns = ({ context }: ReportData): Column<FrontRow>[] => [
  { title: "Plan", text: ({ kind, label }) => (label === "" ? kind : `${kind} (${label})`) },
  { title: "True bits", text: ({ bits }) => bitsText(bits) },
  { title: "Equivalent bits", text: ({ equivalentBits }) => bitsText(equivalentBits) },
  { title: `Bytes at ${tokensText(context)} tokens`, text: ({ bytes }) => formatBytes(bytes) },
  { title: "KL, nats a token", text: ({ kl }) => klText(kl) },
  {
    title: "Standard error",
    text: ({ klStandardError }) => (klStandardError > 0 ? klStandardError.toPrecision(2) : ""),
  },
  { title: "Same next token", text: ({ top1 }) => (top1 === undefined ? "" : percentText(top1)) },
  { title: "Perplexity", text: ({ perplexity }) => (perplexity === undefined ? "" : perplexity.toPrecision(4)) },
  { title: "Pairs x layers", text: ({ pairs }) => pairs },
];

/** Points beyond this number cannot be told apart in a line. */
const LINE_POINTS = 96;

/** Plans closer in bytes than this share of the range are drawn as one. */
const RESOLUTION = 1 / 4096;

/** The best loss at every cost, predicted as a sum of single-layer losses. */
export const predictedFront = ({ space, profile }: ReportData): PredictedRow[] => {
  if (profile === undefined) return [];
  const losses = lossTable(profile).map((layer) => layer.map((kl) => Math.max(0, kl)));
  const range = space.bytes.reduce((sum, costs) => sum + Math.max(...costs) - Math.min(...costs), 0);
  const table = additiveFrontTable({
    costs: space.bytes.map((costs) => [...costs]),
    losses,
    resolution: range * RESOLUTION,
  });
  const step = Math.max(1, (table.size - 1) / (LINE_POINTS - 1));
  const indices = new Set(
    Array.from({ length: LINE_POINTS }, (_, index) => Math.min(table.size - 1, Math.round(index * step))),
  );
  return [...indices].map((index) => ({
    bits: planCost(space, table.genome(index)).bits,
    kl: Math.max(SMALLEST_KL, table.losses[index] ?? SMALLEST_KL),
  }));
};
