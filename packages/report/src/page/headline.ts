import { assetBytes, formatBytes } from "@kvtuner/plan";
import { bytesOfLayers, exactCacheBytes, largestContext } from "../data/cache-bytes.ts";
import type { PickedPlan, ReportData } from "../data/data.ts";
import { bitsText, klText, percentText, tokensText } from "../text/figures.ts";
import { html, type Markup } from "../text/markup.ts";

/** What was studied and the result: one sentence and a few figures. */
export const headline = (data: ReportData): Markup =>
  html`<header>
    <p class="kicker">KVTuner report</p>
    <h1>${data.settings.model.name}</h1>
    ${data.picked === undefined ? notPicked(data) : found(data, data.picked)}
  </header> `;

const notPicked = ({ settings }: ReportData): Markup =>
  html`<p class="lead">
    This study of ${settings.shape.layers} layers has not picked a plan yet. Run <code>tune</code> again with the same
    settings to resume it.
  </p> `;

const found = (data: ReportData, picked: PickedPlan): Markup => {
  const { context } = data;
  const exact = exactCacheBytes(data.settings.shape, context);
  return html`<p class="lead">
      At ${tokensText(context)} tokens the cache takes <b>${formatBytes(picked.bytes)}</b> with the picked plan, and
      ${formatBytes(exact)} in 16 bits: ${(exact / picked.bytes).toFixed(1)} times
      less.${assetSentence(picked)}${measuredSentence(picked, data)}
    </p>
    <ul class="tiles">
      ${tiles(data, picked, exact).map(
        ([value, label], index) =>
          html`<li><b class="${index === 0 ? "hero" : ""}">${value}</b><span>${label}</span></li>`,
      )}
    </ul> `;
};

const assetSentence = ({ plan }: PickedPlan): string =>
  plan.assets === undefined ? "" : ` Its static tables take ${formatBytes(assetBytes(plan))} at any length.`;

const measuredSentence = ({ plan }: PickedPlan, { evaluated }: ReportData): string => {
  const task = evaluated.find(({ picked }) => picked)?.task;
  if (task !== undefined)
    return ` The plan answers ${percentText(task.accuracy)} +- ${percentText(task.accuracyStandardError)} of ${task.prompts} prompts correctly, the 16-bit cache ${percentText(task.floatAccuracy)} (McNemar's p ${task.pValue.toPrecision(2)}).`;
  const top1 = plan.measured?.top1;
  if (top1 === undefined) return "";
  return ` On the calibration text, plan and 16-bit cache agree on the likeliest token at ${(100 * top1).toFixed(1)}% of positions.`;
};

const tiles = (data: ReportData, picked: PickedPlan, exact: number): [string, string][] => {
  const { plan } = picked;
  const { measured } = plan;
  return [
    [`${(exact / picked.bytes).toFixed(1)}x`, "smaller than 16 bits, everything counted"],
    [bitsText(picked.bits), `true bits per stored number; codes alone ${bitsText(picked.equivalentBits)}`],
    ...(measured === undefined ? [] : [[klText(measured.kl), lossLabel(measured.klStandardError)] as [string, string]]),
    ...(measured?.perplexity === undefined
      ? []
      : [[measured.perplexity.toPrecision(4), "perplexity on the calibration text"] as [string, string]]),
    ...boughtTile(data, plan),
  ];
};

const lossLabel = (standardError: number | undefined): string =>
  `KL to the 16-bit cache, nats per token${standardError ? `, +- ${standardError.toPrecision(2)}` : ""}`;

const boughtTile = ({ budget, settings }: ReportData, plan: PickedPlan["plan"]): [string, string][] => {
  if (budget === undefined) return [];
  const bytesAt = bytesOfLayers(plan.layers, settings.shape);
  const tokens = largestContext(bytesAt, plan.layers, settings.shape, budget);
  return [[tokensText(tokens), `tokens of context in ${formatBytes(budget)}`]];
};
