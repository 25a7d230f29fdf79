import { html, trusted, type Markup } from "../text/markup.ts";
import { renderSection, type Section } from "./section.ts";
import { STYLE } from "./style.ts";
import { TOOLTIP_SCRIPT } from "./tooltip-script.ts";

/** What a page shows. */
export interface PageContent {
  /** Title in the browser's tab. */
  readonly title: string;
  readonly headline: Markup;
  readonly sections: readonly Section[];
}

/**
 * A report as one self-contained file. Its Content Security Policy allows our one script and no requests, so even an
 * unescaped name could do no harm.
 */
export const renderPage = async ({ title, headline, sections }: PageContent): Promise<string> => {
  const parts = [];
  for (const section of sections) parts.push(await renderSection(section));
  return html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta http-equiv="Content-Security-Policy" content="${await policy()}" />
        <title>${title}</title>
        ${STYLE_ELEMENT}
      </head>
      <body>
        <main>
          ${headline}
          <nav aria-label="Parts of this report">
            ${sections.map((section) => html`<a href="#${section.id}">${section.title}</a>`)}
          </nav>
          ${parts}
          <footer>Written by kvtuner. This file is complete and opens offline.</footer>
        </main>
        <div id="tip" role="status" hidden></div>
        ${SCRIPT_ELEMENT}
      </body>
    </html> `.html;
};

/** Whole elements: the policy covers the script's exact bytes, and formatters add spaces inside a template. */
const SCRIPT_ELEMENT = trusted(`<script>${TOOLTIP_SCRIPT}</script>`);
const STYLE_ELEMENT = trusted(`<style>${STYLE}</style>`);

const policy = async (): Promise<string> => {
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(TOOLTIP_SCRIPT));
  const hash = btoa(String.fromCharCode(...new Uint8Array(digest)));
  return `default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-${hash}'`;
};
