import { html, type Markup } from "../text/markup.ts";

/** Placeholder for results that a study does not have yet. */
export const missing = (what: string, step: string): Markup =>
  html`<p class="missing">
    ${what} missing: this study has not reached the step <b>${step}</b>. Run <code>kvtuner tune</code> again with the
    same settings to resume it, then write the report again.
  </p> `;
