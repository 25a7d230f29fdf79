import { html, type Markup } from "../text/markup.ts";

/** Placeholder for results that a study does not have yet. */
export const missing = (what: string, step: string): Markup =>
  html`<p class="missing">
    ${what} not there yet: this study has not reached the step <b>${step}</b>. Run <code>kvtuner tune</code> again with
    the same settings, and it goes on where it stopped; then write the report again.
  </p> `;
