import type { Chart, Table } from "../chart/chart.ts";
import { renderInline } from "../chart/render.ts";
import { html, trusted, type Markup } from "../text/markup.ts";

/** A part of the report: what it shows, in plain words, and what to do about it. */
export interface Section {
  /** Name of the part, its anchor and its chart's file. */
  readonly id: string;
  readonly title: string;
  readonly text: Markup;
  /** Absent if the study has no data for it yet; the text then says what is missing. */
  readonly chart?: Chart;
}

/** HTML of a section: its text, its chart for page and phone, and the chart's numbers. */
export const renderSection = async ({ id, title, text, chart }: Section): Promise<Markup> =>
  html`<section id="${id}">
    <h2>${title}</h2>
    ${text}${chart === undefined ? undefined : await figure(id, chart)}
  </section> `;

const figure = async (id: string, chart: Chart): Promise<Markup> =>
  html`<figure>
      <div class="wide">${trusted(await renderInline(id, chart, "wide"))}</div>
      <div class="narrow">${trusted(await renderInline(id, chart, "narrow"))}</div>
    </figure>
    <details>
      <summary>Numbers of this chart</summary>
      <div class="scroll">${tableMarkup(chart.label, chart.table)}</div>
    </details> `;

const tableMarkup = (label: string, { head, rows }: Table): Markup =>
  html`<table aria-label="${label}">
    <thead>
      <tr>
        ${head.map((title) => html`<th scope="col">${title}</th>`)}
      </tr>
    </thead>
    <tbody>
      ${rows.map(
        (row) =>
          html`<tr>
            ${row.map((text) => html`<td>${text}</td>`)}
          </tr> `,
      )}
    </tbody>
  </table>`;
