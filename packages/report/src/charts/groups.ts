import { cachePlaces } from "@kvtuner/plan";
import type { Profile } from "@kvtuner/sensitivity";
import type { Groups } from "@kvtuner/tuning";
import type { TopLevelSpec } from "vega-lite";
import { tableOf, tipped, type Chart, type Column, type ChartWidth, type Tipped } from "../chart/chart.ts";
import { paint } from "../chart/palette.ts";
import { layered, type Position } from "../chart/spec.ts";
import { layerRuns } from "../text/figures.ts";
import { mergeTree, type Merge, type MergeTree } from "./merge-tree.ts";

/** A group of at least two layers that share a choice: its number and layers. */
const sharedGroups = ({ groups }: Groups): (readonly number[])[] => groups.filter((layers) => layers.length > 1);

/** The profile's merge tree, its leaves coloured by group: layers that suffer alike are close. */
export const groupsChart = (profile: Profile, groups: Groups | undefined): Chart => {
  const tree = mergeTree(profile);
  const shared = groups === undefined ? [] : sharedGroups(groups);
  const places = cachePlaces(profile.shape);
  const named = (layers: readonly number[]): string => layerRuns(layers.map((layer) => places[layer]!));
  const columns: Column<Merge>[] = [
    { title: "Layers", text: ({ left }) => named(left) },
    { title: "meet layers", text: ({ right }) => named(right) },
    { title: "at a difference of", text: ({ height }) => height.toPrecision(3) },
  ];
  const merges = tipped(columns, tree.merges);
  return {
    label: "Layers by similarity of their attention output errors",
    spec: (width) => groupsSpec(tree, merges, leavesOf(tree, shared, places), width),
    table: tableOf(columns, tree.merges),
  };
};

/** Distinct hues. With more groups they repeat, and the number tells them apart. */
const HUES = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9"];

interface Segment {
  readonly place: number;
  readonly placeTo: number;
  readonly height: number;
  readonly heightTo: number;
}

const segmentsOf = ({ from, to, fromHeight, toHeight, height }: Merge): Segment[] => [
  { place: from, placeTo: from, height: fromHeight, heightTo: height },
  { place: to, placeTo: to, height: toHeight, heightTo: height },
  { place: from, placeTo: to, height, heightTo: height },
];

interface Leaf {
  readonly place: number;
  readonly height: 0;
  readonly text: string;
  readonly color: string;
}

const leavesOf = ({ order }: MergeTree, shared: readonly (readonly number[])[], places: readonly number[]): Leaf[] =>
  order.map((layer, place) => {
    const group = shared.findIndex((layers) => layers.includes(layer));
    const color = group === -1 ? paint("muted") : (HUES[group % HUES.length] ?? paint("muted"));
    return { place, height: 0, text: String(places[layer]), color };
  });

/** Height of a leaf's row on a phone, px. */
const LEAF = 15;

const groupsSpec = (
  tree: MergeTree,
  merges: Tipped<Merge>[],
  leaves: readonly Leaf[],
  width: ChartWidth,
): TopLevelSpec => {
  const wide = width === "wide";
  const place = placeAxis(tree.order.length, wide);
  const height = heightAxis(merges);
  /** Layers stand along a page, and down a phone. */
  const turned = (along: Position, up: Position): { x: Position; y: Position } =>
    wide ? { x: along, y: up } : { x: up, y: along };
  const turnedEnds = wide
    ? { x2: { field: "placeTo" }, y2: { field: "heightTo" } }
    : { y2: { field: "placeTo" }, x2: { field: "heightTo" } };
  return layered(width, wide ? 260 : tree.order.length * LEAF + 60, [
    {
      data: { values: merges.flatMap(segmentsOf) },
      mark: { type: "rule", color: paint("faint"), strokeWidth: 1.5, aria: false },
      encoding: { ...turned(place, height), ...turnedEnds },
    },
    {
      data: { values: merges.map((merge) => ({ place: merge.middle, height: merge.height, tip: merge.tip })) },
      mark: { type: "point", filled: true, size: 40, color: paint("front"), opacity: 1 },
      encoding: { ...turned(place, height), description: { field: "tip" } },
    },
    {
      data: { values: leaves },
      mark: {
        type: "text",
        fontSize: 11,
        fontWeight: 600,
        aria: false,
        ...(wide ? ({ baseline: "top", dy: 4 } as const) : ({ align: "right", dx: -4 } as const)),
      },
      encoding: {
        ...turned(place, height),
        text: { field: "text" },
        color: { field: "color", type: "nominal", scale: null },
      },
    },
  ]);
};

const placeAxis = (count: number, wide: boolean): Position => ({
  field: "place",
  type: "quantitative",
  scale: { domain: [-0.6, count - 0.4], nice: false, reverse: !wide },
  axis: null,
});

/** Below 0 is space for the leaves. */
const heightAxis = (merges: readonly Merge[]): Position => {
  const highest = Math.max(0, ...merges.map(({ height }) => height)) || 1;
  return {
    field: "height",
    type: "quantitative",
    scale: { domain: [-0.08 * highest, 1.05 * highest], nice: false },
    title: "difference of output error",
    axis: { grid: true, tickCount: 5, labelExpr: "datum.value < 0 ? '' : datum.label" },
  };
};
