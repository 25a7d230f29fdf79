import { bitsOf, cachePlaces, formatBytes, layerBytes, layerShape } from "@kvtuner/plan";
import type { TopLevelSpec } from "vega-lite";
import { tableOf, tipped, type Chart, type Column, type ChartWidth, type Tipped } from "../chart/chart.ts";
import { bitsColor } from "../chart/palette.ts";
import { layered, type Position } from "../chart/spec.ts";
import type { PickedPlan, ReportData } from "../data/data.ts";
import { klText, tokensText } from "../text/figures.ts";

/** A layer of the picked plan. */
interface LayerRow {
  readonly layer: number;
  /** Its number in the model. */
  readonly place: number;
  /** Label of its choice. */
  readonly choice: string;
  readonly keyBits: number;
  readonly valueBits: number;
  readonly bytes: number;
  /** Loss of the layer alone under its pair; undefined if not measured. */
  readonly kl: number | undefined;
}

/** A cell: keys or values of a layer. */
interface Cell extends Tipped<LayerRow> {
  readonly bits: string;
  readonly column: number;
  readonly line: string;
  readonly fill: string;
  readonly ink: string;
}

/** The picked plan, layer by layer. */
export const planStripChart = (data: ReportData, picked: PickedPlan): Chart => {
  const rows = layerRows(data, picked);
  const columns: Column<LayerRow>[] = [
    { title: "Layer", text: ({ place }) => String(place) },
    { title: "Choice", text: ({ choice }) => choice },
    { title: "Key bits", text: ({ keyBits }) => bitsOfCell(keyBits) },
    { title: "Value bits", text: ({ valueBits }) => bitsOfCell(valueBits) },
    { title: `Bytes at ${tokensText(data.context)} tokens`, text: ({ bytes }) => formatBytes(bytes) },
    { title: "KL of this layer alone, nats a token", text: ({ kl }) => (kl === undefined ? "" : klText(kl)) },
  ];
  const cells = tipped(columns, rows);
  return {
    label: "Bits of keys and values in each layer of the picked plan",
    spec: (width) => stripSpec(cells, width),
    table: tableOf(columns, rows),
  };
};

const layerRows = ({ profile, settings, context }: ReportData, { plan, choices, pairs }: PickedPlan): LayerRow[] =>
  plan.layers.map((scheme, layer) => {
    const candidate = profile?.layers[layer]?.candidates.find(({ id }) => id === choices[layer]);
    return {
      layer,
      place: cachePlaces(settings.shape)[layer]!,
      choice: pairs[layer]!,
      keyBits: bitsOf(scheme.key),
      valueBits: bitsOf(scheme.value),
      bytes: layerBytes(scheme, layerShape(settings.shape, layer), context).total,
      kl: candidate?.kl ?? candidate?.estimate,
    };
  });

/** Layers in one line. */
const LINE: Readonly<Record<ChartWidth, number>> = { wide: 36, narrow: 15 };

const CELL_HEIGHT = 26;

/** Mean bits of channels of different widths with one decimal. */
const bitsOfCell = (bits: number): string => String(Math.round(10 * bits) / 10);

const stripSpec = (rows: readonly Tipped<LayerRow>[], width: ChartWidth): TopLevelSpec => {
  const cells = rows.flatMap((row) => cellsOf(row, rows, LINE[width]));
  const lines = [...new Set(cells.map(({ line }) => line))];
  const isOneLine = lines.length === 2;
  const axis = { domain: false, ticks: false } as const;
  const x: Position = {
    field: "column",
    type: "ordinal",
    title: "layer",
    axis: isOneLine ? { ...axis, labelAngle: 0, labelOverlap: "greedy" } : null,
    scale: { paddingInner: 0.08, paddingOuter: 0 },
  };
  const y: Position = {
    field: "line",
    type: "ordinal",
    title: null,
    sort: lines,
    axis: { ...axis, labelFontSize: 12, labelLimit: 160 },
    scale: { paddingInner: 0.1, paddingOuter: 0 },
  };
  return layered(width, lines.length * CELL_HEIGHT + (isOneLine ? 46 : 8), [
    {
      data: { values: cells },
      mark: { type: "rect" },
      encoding: { x, y, description: { field: "tip" }, color: { field: "fill", type: "nominal", scale: null } },
    },
    {
      data: { values: cells },
      mark: { type: "text", fontSize: 12, fontWeight: 600, aria: false },
      encoding: { x, y, text: { field: "bits" }, color: { field: "ink", type: "nominal", scale: null } },
    },
  ]);
};

const cellsOf = (row: Tipped<LayerRow>, rows: readonly LayerRow[], line: number): Cell[] => {
  const isOneLine = rows.length <= line;
  const from = row.layer - (row.layer % line);
  const suffix = isOneLine ? "" : ` ${rows[from]!.place}-${rows.slice(from, from + line).at(-1)!.place}`;
  const cell = (name: string, bits: number): Cell => ({
    ...row,
    ...bitsColor(bits),
    bits: bitsOfCell(bits),
    column: isOneLine ? row.place : row.layer % line,
    line: `${name}${suffix}`,
  });
  return [cell("keys", row.keyBits), cell("values", row.valueBits)];
};
