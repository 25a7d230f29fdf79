import { accuracyChart } from "./charts/accuracy.ts";
import { frontChart } from "./charts/front.ts";
import { limitInWords } from "./data/bits-limit.ts";
import type { ReportData } from "./data/data.ts";
import { missing } from "./page/missing.ts";
import type { Section } from "./page/section.ts";
import { html } from "./text/markup.ts";

/** Bits against accuracy, for a study with a task. */
export const accuracySection = (data: ReportData): Section[] => {
  const { task } = data.settings;
  if (task === undefined) return [];
  const common = { id: "accuracy", title: "What is still answered right" };
  if (data.evaluated.length === 0) return [{ ...common, text: missing("Answers are", "search") }];
  return [
    {
      ...common,
      text: html`<p>
          Each point is a way to spend bits over the layers, asked ${String(task.prompts)} prompts whose answers are
          known. Bars are one standard error up and down; the dotted line is what the 16-bit cache answers right.
          ${racedText(data)} The line joins the plans that no other beats in right answers and bits, of those that were
          asked everything.${limitInWords(data)}
        </p>
        <p>
          A square is one pair of bits in all layers. Only those that were asked are shown: what others would answer
          does not follow from what each layer loses alone. Plans whose bars overlap may differ by chance: the next
          chart tells them apart by KL.
        </p> `,
      chart: accuracyChart(data),
    },
  ];
};

const racedText = ({ settings: { objective } }: ReportData): string =>
  objective === "kl"
    ? "Every plan was evaluated on every prompt."
    : "A plan more than three standard errors worse than another of no more cost was dropped: a cross, at its accuracy on the prompts evaluated so far.";

/** Bits against loss. */
export const frontSection = (data: ReportData): Section => {
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
        differently.${data.picked === undefined ? " No plan is picked yet." : " The diamond is the picked plan."}${limitInWords(data)}
        Another one is picked at once by running <code>tune</code> again with another <code>--budget</code>,
        <code>--bits</code>, <code>--equivalent-bits</code> or <code>--max-kl</code>.
      </p>
      ${unfinished}`,
    chart: frontChart(data),
  };
};

/** With accuracy as an objective, the front holds plans that a line through loss and bits leaves out. */
const frontText = ({ settings: { objective } }: ReportData): string =>
  objective === undefined || objective === "kl"
    ? "The line joins the plans that no other beats."
    : "The line joins the plans that no other beats in loss and bits; those called front beside it are beaten by none once right answers count too. A cross was given up, and its loss is of the prompts it was asked.";
