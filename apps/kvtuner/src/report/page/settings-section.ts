import { tuneCommandLines } from "../command.ts";
import type { ReportData } from "../data.ts";
import { tokensText } from "../text.ts";
import { html } from "./markup.ts";
import type { Section } from "./section.ts";

/** What the study was made with, and how to make it again. */
export const settingsSection = (data: ReportData): Section => ({
  id: "settings",
  title: "How it was made",
  text: html`<dl>
      ${settingRows(data).map(
        ([name, value]) =>
          html`<dt>${name}</dt>
            <dd>${value}</dd>`,
      )}
    </dl>
    <p>Run it again:</p>
    <pre><code>${tuneCommandLines(data.settings, data.request)}</code></pre> `,
});

const settingRows = ({ settings, evaluated, front }: ReportData): [string, string][] => {
  const { model, shape } = settings;
  return [
    ["Model", `${model.name} (${model.architecture})`],
    ["SHA-256 of its file", model.sha256 ?? "unknown"],
    [
      "Shape",
      `${shape.layers} layers, ${shape.queryHeads} query heads, ${shape.kvHeads} KV heads, head size ${shape.headSize}`,
    ],
    ["Mode", `${settings.mode}, window ${settings.window}, sinks ${settings.sinks}`],
    ["Pairs", settings.pairs.join(", ")],
    [
      "Calibration text",
      settings.text === "self" ? "the model's own continuations" : `a file with SHA-256 ${settings.text}`,
    ],
    ["Windows", `${settings.windows} of ${tokensText(settings.windowLength)} tokens`],
    ["Bytes counted at", `${tokensText(settings.context)} tokens`],
    ["Search", `${settings.strategy}, seed ${settings.seed}, by ${settings.cost} bits`],
    ["Plans evaluated", `${evaluated.length} of ${settings.evaluations} asked for`],
    ...(front === undefined ? [] : [["Hypervolume", front.hypervolume.toFixed(3)] as [string, string]]),
  ];
};
