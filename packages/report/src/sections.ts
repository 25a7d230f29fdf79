import { formatBytes } from "@kvtuner/plan";
import type { Profile } from "@kvtuner/sensitivity";
import { isEstimated } from "@kvtuner/tuning";
import { candidatesChart } from "./charts/candidates.ts";
import { contextBytesChart } from "./charts/context-bytes.ts";
import { groupsChart } from "./charts/groups.ts";
import { planStripChart } from "./charts/plan-strip.ts";
import { sensitivityChart } from "./charts/sensitivity.ts";
import type { ReportData } from "./data/data.ts";
import { missing } from "./page/missing.ts";
import type { Section } from "./page/section.ts";
import { settingsSection } from "./page/settings-section.ts";
import { accuracySection, frontSection } from "./search-sections.ts";
import { layerRuns, tokensText } from "./text/figures.ts";
import { html, type Markup } from "./text/markup.ts";

/** All parts of a report, in order. A placeholder replaces the chart of results that a study does not have yet. */
export const reportSections = (data: ReportData): Section[] => [
  ...accuracySection(data),
  frontSection(data),
  planSection(data),
  contextSection(data),
  sensitivitySection(data),
  candidatesSection(data),
  ...groupsSection(data),
  settingsSection(data),
];

const planSection = (data: ReportData): Section => {
  const common = { id: "plan", title: "The picked plan" };
  if (data.picked === undefined) return { ...common, text: missing("A plan is", "pick") };
  return {
    ...common,
    text: html`<p>
      Bits of each layer's keys (top) and values (bottom); darker means more. A layer darker than its neighbours is one
      that would lose too much with fewer bits. The plan is in <code>plan.json</code>; use it with
      <code>kvtuner run MODEL <span>--plan plan.json</span></code
      >.
    </p> `,
    chart: planStripChart(data, data.picked),
  };
};

const contextSection = (data: ReportData): Section => {
  const { budget, context } = data;
  const budgetText =
    budget === undefined
      ? html` Give <code>kvtuner report STUDY <span>--budget 40MB</span></code> to see how long a context fits your
          memory.`
      : html` The dotted lines show the longest context that fits ${formatBytes(budget)}.`;
  return {
    id: "context",
    title: "Memory and context",
    text: html`<p>
      Bytes of the cache as the context grows: codes, scales, minima, and the recent tokens and sinks that stay in 16
      bits.${budgetText} The figures in the table are at ${tokensText(context)} tokens.
    </p> `,
    chart: contextBytesChart(data),
  };
};

const sensitivitySection = (data: ReportData): Section => {
  const common = { id: "sensitivity", title: "Sensitivity of each layer" };
  if (data.profile === undefined) return { ...common, text: missing("The profile is", "profile") };
  return {
    ...common,
    text: html`<p>
      One layer at a time is stored with one pair of bits, all others in 16 bits. <code>K4V2</code> is 4 bits for keys
      and 2 for values.${shownText(data)} The colour is the model's loss: brighter is worse, and each step of the scale
      is a factor of ten. Spend bits on layers that are bright for all pairs; avoid pairs that are bright in all
      layers.${data.picked === undefined ? "" : " White dots mark the picked plan."}${estimateText(data.profile)}
    </p> `,
    chart: sensitivityChart(data, data.profile),
  };
};

/** What is shown of hundreds of choices. */
const shownText = ({ shown, space }: ReportData): string =>
  shown.length < space.choices.length
    ? ` Of ${space.choices.length} choices the ${shown.length} are shown that evaluated plans use most.`
    : "";

/** How the loss was estimated, and how far that was off where it was also measured. */
const estimateText = (profile: Profile): string => {
  if (!isEstimated(profile)) return "";
  const halves = profile.layers.flatMap((layer) => layer.halves ?? []);
  const ratios = halves.flatMap(({ kl, estimate }) => (kl === undefined || estimate === 0 ? [] : [kl / estimate]));
  const text = " The loss is estimated from gradients, for keys and values apart.";
  if (ratios.length === 0) return text;
  const [low, high] = [Math.min(...ratios), Math.max(...ratios)].map((ratio) => ratio.toPrecision(2));
  return `${text} ${ratios.length} of ${halves.length} cases were also measured: ${low} to ${high} times the estimate.`;
};

const candidatesSection = (data: ReportData): Section => {
  const common = { id: "candidates", title: "Candidate pairs of each layer" };
  const { candidates, settings } = data;
  if (candidates === undefined) return { ...common, text: missing("The candidates are", "prune") };
  const measure = settings.measure === "eo" ? "attention output error" : "loss";
  const counts = candidates.candidates.map((kept) => kept.length);
  return {
    ...common,
    text: html`<p>
      Before the search, a layer drops every pair that another pair beats in cost and in ${measure}. Crosses are dropped
      pairs; of ${data.space.choices.length} ${data.codings.length > 0 ? "choices" : "pairs"}, layers keep
      ${rangeText(counts)}. To make a study shorter, leave pairs that are crosses in all layers out of
      <code>--pairs</code>.${shownText(data)}
    </p> `,
    chart: candidatesChart(data, candidates),
  };
};

const rangeText = (counts: readonly number[]): string => {
  const [low, high] = [Math.min(...counts), Math.max(...counts)];
  return low === high ? String(low) : `${low} to ${high}`;
};

/** Left out with settings of methods, whose attention errors are not measured. */
const groupsSection = (data: ReportData): Section[] => (data.codings.length > 0 ? [] : [pairGroupsSection(data)]);

const pairGroupsSection = (data: ReportData): Section => {
  const common = { id: "groups", title: "Similar layers" };
  if (data.profile === undefined) return { ...common, text: missing("The profile is", "profile") };
  return {
    ...common,
    text: html`<p>
        Layers whose attention output suffers alike from every pair meet low in this tree. The height is the root mean
        square difference of their errors. Layers that meet near the top are unlike all others.
      </p>
      ${groupsText(data)}`,
    chart: groupsChart(data.profile, data.groups),
  };
};

const groupsText = ({ groups, settings }: ReportData): Markup => {
  if (groups === undefined) return missing("The groups are", "group");
  const shared = groups.groups.filter((layers) => layers.length > 1);
  const use =
    settings.strategy === "nsga2-groups"
      ? "In this study all layers of a group use the same pair."
      : "In this study each layer has its own pair; --strategy nsga2-groups gives all layers of a group the same.";
  if (shared.length === 0) {
    return html`<p>
      Grouping by the paper's rule (same candidates, and DBSCAN with epsilon 0.05) put no two layers together. ${use}
    </p> `;
  }
  const names = shared.map((layers, index) => html`${index === 0 ? "" : "; "}${layerRuns(layers)}`);
  return html`<p>
    Grouping by the paper's rule (same candidates, and DBSCAN with epsilon 0.05) put these layers together, each group
    in a colour of its own: ${names}. ${use}
  </p> `;
};
