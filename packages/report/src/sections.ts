import { formatBytes } from "@kvtuner/plan";
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
  groupsSection(data),
  settingsSection(data),
];

const planSection = (data: ReportData): Section => {
  const common = { id: "plan", title: "The picked plan" };
  if (data.picked === undefined) return { ...common, text: missing("A plan is", "pick") };
  return {
    ...common,
    text: html`<p>
      How many bits each layer spends on its keys (above) and on its values; darker is more. A layer that is darker than
      its neighbours is one where fewer bits would cost more than they save. The plan is in <code>plan.json</code>; use
      it with <code>kvtuner run MODEL <span>--plan plan.json</span></code
      >.
    </p> `,
    chart: planStripChart(data, data.picked),
  };
};

const contextSection = (data: ReportData): Section => {
  const { budget, context } = data;
  const budgetText =
    budget === undefined
      ? html` Give <code>kvtuner report STUDY <span>--budget 40MB</span></code> to see how long a context your memory
          holds.`
      : html` The dotted lines show how far ${formatBytes(budget)} go: a cache may grow until its line meets the budget.`;
  return {
    id: "context",
    title: "Memory and context",
    text: html`<p>
      What the cache takes as the context grows, with all that belongs to it: codes, scales, minima, and the recent
      tokens and sinks that stay in 16 bits.${budgetText} The figures in the table are at ${tokensText(context)} tokens.
    </p> `,
    chart: contextBytesChart(data),
  };
};

const sensitivitySection = (data: ReportData): Section => {
  const common = { id: "sensitivity", title: "What each layer can bear" };
  if (data.profile === undefined) return { ...common, text: missing("The profile is", "profile") };
  return {
    ...common,
    text: html`<p>
      One layer at a time is stored with one pair of bits, all others in 16 bits. <code>K4V2</code> is 4 bits for keys
      and 2 for values. The colour is what the model loses by it: brighter hurts more, and each step of the scale is a
      factor of ten. A layer that is bright all along is one to spend bits on; a pair that is, one to keep away
      from.${data.picked === undefined ? "" : " White dots mark what the picked plan took."}
    </p> `,
    chart: sensitivityChart(data, data.profile),
  };
};

const candidatesSection = (data: ReportData): Section => {
  const common = { id: "candidates", title: "Pairs left to each layer" };
  const { candidates, settings } = data;
  if (candidates === undefined) return { ...common, text: missing("The candidates are", "prune") };
  const measure = settings.measure === "kl" ? "its loss" : "its attention output error";
  const counts = candidates.candidates.map((kept) => kept.length);
  return {
    ...common,
    text: html`<p>
      Before the search, every pair is dropped from a layer where another pair costs no more and hurts no more, by
      ${measure} alone. Crosses are pairs that were dropped; of ${settings.pairs.length} pairs, layers keep
      ${rangeText(counts)}. A pair that is a cross in all layers could be left out of <code>--pairs</code> to make a
      study shorter.
    </p> `,
    chart: candidatesChart(data, candidates),
  };
};

const rangeText = (counts: readonly number[]): string => {
  const [low, high] = [Math.min(...counts), Math.max(...counts)];
  return low === high ? String(low) : `${low} to ${high}`;
};

const groupsSection = (data: ReportData): Section => {
  const common = { id: "groups", title: "Layers that behave alike" };
  if (data.profile === undefined) return { ...common, text: missing("The profile is", "profile") };
  return {
    ...common,
    text: html`<p>
        Layers whose attention output suffers alike from every pair meet low in this tree; the height is the root mean
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
      ? "In this study the layers of a group took the same pair."
      : "With --strategy nsga2-groups the layers of a group take the same pair; in this study each layer chose for itself.";
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
