import { formatBytes } from "@kvtuner/plan";

import { candidatesChart } from "./charts/candidates.ts";
import { accuracyChart } from "./charts/accuracy.ts";
import { contextBytesChart } from "./charts/context-bytes.ts";
import { frontChart } from "./charts/front.ts";
import { groupsChart } from "./charts/groups.ts";
import { planStripChart } from "./charts/plan-strip.ts";
import { sensitivityChart } from "./charts/sensitivity.ts";
import type { ReportData } from "./data.ts";
import { html, type Markup } from "./page/markup.ts";
import type { Section } from "./page/section.ts";
import { settingsSection } from "./page/settings-section.ts";
import { layerRuns, tokensText } from "./text.ts";

/** All parts of a report, in order. What a study does not have yet is told in the place of its chart. */
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

const missing = (what: string, step: string): Markup =>
  html`<p class="missing">
    ${what} not there yet: this study has not reached the step <b>${step}</b>. Run <code>kvtuner tune</code> again with
    the same settings, and it goes on where it stopped; then write the report again.
  </p> `;

/** Of a study with a task. */
const accuracySection = (data: ReportData): Section[] => {
  if (data.settings.task === undefined) return [];
  const common = { id: "accuracy", title: "What is still answered right" };
  if (data.evaluated.length === 0) return [{ ...common, text: missing("Answers are", "search") }];
  const { objective, task } = data.settings;
  const raced =
    objective === "kl"
      ? "Every plan was asked every prompt."
      : "A plan that fell behind one of no more cost by more than three standard errors was given up: a cross, on the prompts it was asked so far.";
  return [
    {
      ...common,
      text: html`<p>
        Each point is a way to spend bits over the layers, asked ${String(task.prompts)} prompts whose answers are
        known. Bars are one standard error up and down; the dotted line is what the 16-bit cache answers right. ${raced}
        Plans whose bars overlap may differ by chance: the next chart tells them apart by KL.
      </p> `,
      chart: accuracyChart(data),
    },
  ];
};

const frontSection = (data: ReportData): Section => {
  const common = { id: "front", title: "What bits buy" };
  if (data.evaluated.length === 0) return { ...common, text: missing("Measured plans are", "search") };
  const unfinished = data.front === undefined ? missing("The whole front is", "search") : undefined;
  return {
    ...common,
    text: html`<p>
        Each point is a way to spend bits over the layers, run on
        ${data.settings.task === undefined ? "the calibration text" : "the right answers of the task"}: fewer bits to
        the left, less lost further down, ten times less with each factor of ten. ${frontText(data)} A square is one
        pair of bits in all layers; a hollow one was not run, its loss is the sum of what each layer loses alone. The
        dashed line is the best such sum at every size, which is where the search looked first.
      </p>
      <p>
        The further the line lies below the squares, the more there is to gain from treating layers
        differently.${data.picked === undefined ? " No plan is picked yet." : " The diamond is the picked plan."}
        Another one is picked at once by running <code>tune</code> again with another <code>--budget</code>,
        <code>--bits</code> or <code>--max-kl</code>.
      </p>
      ${unfinished}`,
    chart: frontChart(data),
  };
};

const frontText = ({ settings: { objective } }: ReportData): string =>
  objective === undefined || objective === "kl"
    ? "The line joins the plans that no other beats."
    : "The line joins the plans that no other beats in loss, right answers and bits at once.";

const planSection = (data: ReportData): Section => {
  const common = { id: "plan", title: "The picked plan" };
  if (data.picked === undefined) return { ...common, text: missing("A plan is", "pick") };
  return {
    ...common,
    text: html`<p>
      How many bits each layer spends on its keys (above) and on its values; darker is more. A layer that is darker than
      its neighbours is one where fewer bits would cost more than they save. The plan is in <code>plan.json</code>; use
      it with <code>kvtuner run MODEL --plan plan.json</code>.
    </p> `,
    chart: planStripChart(data, data.picked),
  };
};

const contextSection = (data: ReportData): Section => {
  const { budget, context } = data;
  const budgetText =
    budget === undefined
      ? html` Give <code>kvtuner report STUDY --budget 40MB</code> to see how long a context your memory holds.`
      : html` The dotted lines show how far ${formatBytes(budget)} go: a cache may grow until its line meets the budget.`;
  return {
    id: "context",
    title: "Memory and context",
    text: html`<p>
      What the cache takes as the context grows, with all that belongs to it: codes, scales, minima, and the window and
      sinks that stay in 16 bits.${budgetText} The figures in the table are at ${tokensText(context)} tokens.
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
      factor of ten. A bright column is a layer to spend bits on; a bright row, a pair to keep away
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
