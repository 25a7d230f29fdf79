import type { TopLevelSpec } from "vega-lite";

/** Where a chart is shown: on a page (or in print), or on a phone. */
export type ChartWidth = "wide" | "narrow";

/** Width of a chart with its axes, px. */
export const WIDTH: Readonly<Record<ChartWidth, number>> = { wide: 780, narrow: 340 };

/** A table of texts, as shown below its chart. */
export interface Table {
  readonly head: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

/** A chart for page and phone, and its numbers. */
export interface Chart {
  /** What it shows, in a few words: its accessible name. */
  readonly label: string;
  /** What to draw on a page, or on a phone. */
  readonly spec: (width: ChartWidth) => TopLevelSpec;
  readonly table: Table;
}

/** One fact about a row: a column of the table and a line of the tooltip. */
export interface Column<Row> {
  readonly title: string;
  readonly text: (row: Row) => string;
}

/** A row with its tooltip, the field `tip`. */
export type Tipped<Row> = Row & { readonly tip: string };

/** The table of rows. */
export const tableOf = <Row>(columns: readonly Column<Row>[], rows: readonly Row[]): Table => ({
  head: columns.map(({ title }) => title),
  rows: rows.map((row) => columns.map(({ text }) => text(row))),
});

/** Between two lines of a tooltip; the page's script splits there. */
export const TIP_SEPARATOR = "; ";

/** Rows for drawing. Tooltips and table show the same facts. */
export const tipped = <Row>(columns: readonly Column<Row>[], rows: readonly Row[]): Tipped<Row>[] =>
  rows.map((row) => ({
    ...row,
    tip: columns
      .map(({ title, text }) => [title, text(row)] as const)
      .filter(([, text]) => text !== "")
      .map(([title, text]) => `${title}: ${text}`)
      .join(TIP_SEPARATOR),
  }));
