import { flagName, LIMIT_OPTIONS, needsTask } from "@kvtuner/tuning";
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
  const common = { id: "accuracy", title: "Accuracy on the task" };
  if (data.evaluated.length === 0) return [{ ...common, text: missing("Answers are", "search") }];
  return [
    {
      ...common,
      text: html`<p>
          Each point is a plan, evaluated on ${String(task.prompts)} prompts with known answers. Bars are one standard
          error up and down; the dotted line is the 16-bit cache's accuracy. ${racedText(data)} The line joins the fully
          evaluated plans that no other beats in accuracy and bits.${limitInWords(data)}
        </p>
        <p>
          A square is one pair of bits in all layers. Only evaluated plans are shown: single-layer losses do not predict
          accuracy. Plans whose bars overlap may differ by chance; the next chart compares them by KL.
        </p> `,
      chart: accuracyChart(data),
    },
  ];
};

const racedText = ({ settings: { objective } }: ReportData): string =>
  objective && !needsTask(objective)
    ? "Every plan was evaluated on every prompt."
    : "A cross is a plan that was dropped because it was more than three standard errors worse than one that costs no more. Its accuracy covers the prompts evaluated so far.";

/** Bits against loss. */
export const frontSection = (data: ReportData): Section => {
  const common = { id: "front", title: "What bits buy" };
  if (data.evaluated.length === 0) return { ...common, text: missing("Measured plans are", "search") };
  const unfinished = data.front === undefined ? missing("The whole front is", "search") : undefined;
  return {
    ...common,
    text: html`<p>
        Each point is a plan, evaluated on
        ${data.settings.task === undefined ? "the calibration text" : "the right answers of the task"}. Plans further
        left take fewer bits; plans further down lose less. ${frontText(data)} A square is one pair of bits in all
        layers. Hollow squares were not evaluated: their loss is the sum of each layer's loss alone. The dashed line is
        the best such sum at every size, where the search looked first.
      </p>
      <p>
        The further the line lies below the squares, the more a plan gains by treating layers
        differently.${data.picked === undefined ? " No plan is picked yet." : " The diamond is the picked plan."}${limitInWords(data)}
        To pick another plan without searching again, run <code>tune</code> with another limit
        (<code>${LIMIT_FLAGS.join(", ")}</code>).
      </p>
      ${unfinished}`,
    chart: frontChart(data),
  };
};

const LIMIT_FLAGS = Object.keys(LIMIT_OPTIONS).map((name) => `--${flagName(name)}`);

/** With accuracy as an objective, the front holds plans that a line through loss and bits leaves out. */
const frontText = ({ settings: { objective } }: ReportData): string =>
  objective && needsTask(objective)
    ? "The line joins the plans that no other beats in loss and bits. Other plans marked as front are beaten by none once accuracy counts too. A cross is a plan that was dropped; its loss covers the prompts evaluated so far."
    : "The line joins the plans that no other beats.";
