import { cachePlaces, type CacheShape, layerShapes, modelLayers } from "@kvtuner/plan";
import { countPasses, isEstimated, type StudySettings } from "@kvtuner/tuning";
import { tuneCommandLines } from "../data/command.ts";
import type { ReportData } from "../data/data.ts";
import { tokensText } from "../text/figures.ts";
import { html } from "../text/markup.ts";
import type { Section } from "./section.ts";

/** The study's settings, and how to repeat it. */
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

const calibrationText = (text: string): string => {
  if (text === "self") return "the model's own continuations";
  return text === "task" ? "prompts of the task with their answers" : `a file with SHA-256 ${text}`;
};

const taskRows = ({ task, objective }: StudySettings): [string, string][] => {
  if (task === undefined) return [];
  return [
    ["Task", `${task.prompts} prompts of files with SHA-256 ${task.task.replaceAll(",", ", ")}`],
    ["Objective", objective ?? "task"],
    ["Examples", `${task.shots} before every prompt${task.chat ? ", in the chat template" : ""}`],
  ];
};

/** Sizes in which layers differ are all listed. */
const shapeText = (shape: CacheShape): string => {
  const all = (size: "queryHeads" | "kvHeads" | "headSize"): string =>
    [...new Set(layerShapes(shape).map((layer) => layer[size]))].join(" or ");
  const count =
    shape.recurrent === undefined
      ? `${shape.layers} layers`
      : `${shape.layers} layers with a cache of the model's ${modelLayers(shape).length + shape.recurrent.length} (${cachePlaces(shape).join(", ")})`;
  return `${count}, ${all("queryHeads")} query heads, ${all("kvHeads")} KV heads, head size ${all("headSize")}`;
};

const passRows = ({ settings, space, fitting, profile, entries }: ReportData): [string, string][] => {
  if (profile === undefined) return [];
  const { sampleLength: tokens, task } = settings;
  const passes = countPasses({ space, tokens, fitting, profile, entries, prompts: task?.prompts });
  const measured = `${passes.measuredCases} cases of single layers measured`;
  const fit = passes.fitting > 0 ? `fitting tables ${passes.fitting.toFixed(1)}, ` : "";
  const text = `${fit}profile ${passes.profile.toFixed(1)} (${measured}), search ${passes.search.toFixed(1)}`;
  return [
    ["Profile", isEstimated(profile) ? "estimated from gradients" : "measured"],
    ["Forward passes over the text", text],
  ];
};

const settingRows = (data: ReportData): [string, string][] => {
  const { settings, codings, evaluated, front } = data;
  const { model, shape } = settings;
  return [
    ["Model", `${model.name} (${model.architecture})`],
    ["SHA-256 of its file", model.sha256 ?? "unknown"],
    ["Shape", shapeText(shape)],
    [
      "Mode",
      `${settings.codecs?.join(" and ") ?? settings.mode}${settings.for === undefined ? "" : ` for backend ${settings.for}`}, sinks ${settings.sinks}, recent ${settings.recent}`,
    ],
    ["Pairs", settings.pairs.join(", ")],
    ...(codings.length === 0
      ? []
      : [["Settings of methods", codings.map(({ name }) => name).join(", ")] as [string, string]]),
    ...taskRows(settings),
    ["Calibration text", calibrationText(settings.text)],
    ["Samples", `${settings.samples} of ${tokensText(settings.sampleLength)} tokens`],
    ["Bytes counted at", `${tokensText(settings.context)} tokens`],
    ["Search", `${settings.strategy}, seed ${settings.seed}, by ${settings.cost} bits`],
    ...passRows(data),
    ["Plans evaluated", `${evaluated.length} of ${settings.evaluations} requested`],
    ...(front === undefined ? [] : [["Hypervolume", front.hypervolume.toFixed(3)] as [string, string]]),
  ];
};
