import { cachePlaces } from "@kvtuner/plan";
import type { Profile } from "@kvtuner/sensitivity";
import { isEstimated, labelsOf } from "@kvtuner/tuning";
import type { TopLevelSpec } from "vega-lite";
import { tipped, type Chart, type Column, type ChartWidth, type Tipped } from "../chart/chart.ts";
import { decadesOf } from "../chart/decades.ts";
import { layered } from "../chart/spec.ts";
import type { ReportData } from "../data/data.ts";
import { klText, shownLabels } from "../text/figures.ts";
import { SMALLEST_KL } from "./front-rows.ts";
import { matrixAxes } from "./layer-by-pair.ts";

/** A layer under a pair, with all others in 16 bits. */
interface SensitivityRow {
  /** Its number in the model. */
  readonly layer: number;
  readonly pair: string;
  readonly kl: number;
  readonly picked: boolean;
}

/** Loss of every layer alone under every pair. */
export const sensitivityChart = (data: ReportData, profile: Profile): Chart => {
  const rows = sensitivityRows(data, profile);
  const columns: Column<SensitivityRow>[] = [
    { title: "Layer", text: ({ layer }) => String(layer) },
    { title: "Pair", text: ({ pair }) => pair },
    { title: `${measureTitle(profile)}, nats a token`, text: ({ kl }) => klText(kl) },
    { title: "In the picked plan", text: ({ picked }) => (picked ? "yes" : "") },
  ];
  const cells = tipped(columns, rows).map((row) => ({ ...row, kl: Math.max(SMALLEST_KL, row.kl) }));
  return {
    label: "Loss of each layer alone under each pair of bits",
    spec: (width) => sensitivitySpec(cells, shownLabels(data), measureTitle(profile), width),
    table: layersByPairs(rows, shownLabels(data)),
  };
};

const measureTitle = (profile: Profile): string => (isEstimated(profile) ? "Estimated KL" : "KL");

const sensitivityRows = ({ picked, space, shown, settings }: ReportData, profile: Profile): SensitivityRow[] => {
  const places = cachePlaces(settings.shape);
  return profile.layers.flatMap(({ layer, candidates: all }) => {
    const candidates = shown.flatMap((choice) => all[choice] ?? []);
    const labels = labelsOf(
      space,
      candidates.map(({ id }) => id),
    );
    return candidates.map(({ id, kl, estimate }, index) => ({
      layer: places[layer]!,
      pair: labels[index] ?? id,
      kl: kl ?? estimate ?? 0,
      picked: picked?.choices[layer] === id,
    }));
  });
};

const layersByPairs = (rows: readonly SensitivityRow[], pairs: readonly string[]): Chart["table"] => ({
  head: ["Layer", ...pairs],
  rows: [...new Set(rows.map(({ layer }) => layer))].map((layer) => [
    String(layer),
    ...pairs.map((pair) => klText(rows.find((row) => row.layer === layer && row.pair === pair)?.kl ?? Number.NaN)),
  ]),
});

const sensitivitySpec = (
  cells: Tipped<SensitivityRow>[],
  pairs: readonly string[],
  measure: string,
  width: ChartWidth,
): TopLevelSpec => {
  const layers = new Set(cells.map(({ layer }) => layer)).size;
  const { x, y, height } = matrixAxes(width, pairs, layers, false);
  const decades = decadesOf(cells.map(({ kl }) => kl));
  return layered(width, height + 100, [
    {
      data: { values: cells },
      mark: { type: "rect" },
      encoding: {
        x,
        y,
        description: { field: "tip" },
        color: {
          field: "kl",
          type: "quantitative",
          scale: { type: "log", scheme: "viridis", domain: [decades[0] ?? SMALLEST_KL, decades.at(-1) ?? 1] },
          legend: {
            title: `${measure} of the layer alone, nats a token`,
            format: "~g",
            values: decades,
            gradientLength: width === "wide" ? 320 : 280,
            gradientThickness: 12,
          },
        },
      },
    },
    {
      data: { values: cells.filter(({ picked }) => picked) },
      mark: { type: "point", filled: true, size: 42, opacity: 1, aria: false },
      encoding: {
        x,
        y,
        fill: { value: "#ffffff" },
        stroke: { value: "#12151a" },
        strokeWidth: { value: 1.5 },
      },
    },
  ]);
};
