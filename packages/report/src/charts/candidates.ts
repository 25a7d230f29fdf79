import { cachePlaces } from "@kvtuner/plan";
import type { Candidates } from "@kvtuner/tuning";
import type { TopLevelSpec } from "vega-lite";
import { tipped, type Chart, type Column, type ChartWidth, type Tipped } from "../chart/chart.ts";
import { paint } from "../chart/palette.ts";
import { CROSS } from "../chart/shapes.ts";
import { layered } from "../chart/spec.ts";
import type { ReportData } from "../data/data.ts";
import { shownLabels } from "../text/figures.ts";
import { matrixAxes } from "./layer-by-pair.ts";

const STATES = ["in the picked plan", "kept", "pruned"] as const;

/** A pair at a layer. */
interface CandidateRow {
  /** Its number in the model. */
  readonly layer: number;
  readonly pair: string;
  readonly state: (typeof STATES)[number];
}

/** The candidate pairs of each layer after pruning. */
export const candidatesChart = (data: ReportData, candidates: Candidates): Chart => {
  const rows = candidateRows(data, candidates);
  const columns: Column<CandidateRow>[] = [
    { title: "Layer", text: ({ layer }) => String(layer) },
    { title: "Pair", text: ({ pair }) => pair },
    { title: "Is", text: ({ state }) => state },
  ];
  return {
    label: "Pairs of bits kept for the search in each layer",
    spec: (width) => candidatesSpec(tipped(columns, rows), shownLabels(data), width),
    table: byLayer(rows),
  };
};

const candidateRows = ({ picked, space, shown, settings }: ReportData, { candidates }: Candidates): CandidateRow[] => {
  const places = cachePlaces(settings.shape);
  return candidates.flatMap((kept, ordinal) =>
    shown.map((index) => {
      const pair = space.choices[index]!.label;
      const layer = places[ordinal]!;
      if (picked?.pairs[ordinal] === pair) return { layer, pair, state: STATES[0] };
      return { layer, pair, state: kept.includes(index) ? STATES[1] : STATES[2] };
    }),
  );
};

const byLayer = (rows: readonly CandidateRow[]): Chart["table"] => ({
  head: ["Layer", "Kept", "Pruned", "In the picked plan"],
  rows: [...new Set(rows.map(({ layer }) => layer))].map((layer) => {
    const names = (...states: string[]): string =>
      rows
        .filter((row) => row.layer === layer && states.includes(row.state))
        .map(({ pair }) => pair)
        .join(", ");
    return [String(layer), names(STATES[0], STATES[1]), names(STATES[2]), names(STATES[0])];
  }),
});

const LOOKS: Readonly<
  Record<CandidateRow["state"], { readonly color: string; readonly shape: string; readonly size: number }>
> = {
  "in the picked plan": { color: paint("picked"), shape: "diamond", size: 130 },
  kept: { color: paint("front"), shape: "circle", size: 60 },
  pruned: { color: paint("muted"), shape: CROSS, size: 80 },
};

const candidatesSpec = (rows: Tipped<CandidateRow>[], pairs: readonly string[], width: ChartWidth): TopLevelSpec => {
  const layers = new Set(rows.map(({ layer }) => layer)).size;
  const { x, y, height } = matrixAxes(width, pairs, layers, true);
  const domain = STATES.filter((state) => rows.some((row) => row.state === state));
  const looks = domain.map((state) => LOOKS[state]);
  const scale = <Value>(range: Value[]): { domain: string[]; range: Value[] } => ({ domain, range });
  const legend = { title: null, columns: width === "wide" ? 3 : 1 };
  return layered(width, height + 80, [
    {
      data: { values: rows },
      mark: { type: "point", filled: true, opacity: 1 },
      encoding: {
        x,
        y,
        description: { field: "tip" },
        color: { field: "state", type: "nominal", scale: scale(looks.map(({ color }) => color)), legend },
        shape: { field: "state", type: "nominal", scale: scale(looks.map(({ shape }) => shape)), legend },
        size: {
          condition: domain.map((state) => ({ test: `datum.state === "${state}"`, value: LOOKS[state].size })),
          value: 0,
        },
      },
    },
  ]);
};
