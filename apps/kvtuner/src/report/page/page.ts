import { createHash } from "node:crypto";

import type { ReportData } from "../data.ts";
import { headline } from "./headline.ts";
import { html, trusted } from "./markup.ts";
import { renderSection, type Section } from "./section.ts";
import { STYLE } from "./style.ts";
import { TOOLTIP_SCRIPT } from "./tooltip-script.ts";

/**
 * The report as one file that needs nothing else. A policy in its head lets the browser run our one script and fetch
 * nothing, so that not even a name that slipped through unescaped could do harm.
 */
export const renderPage = async (data: ReportData, sections: readonly Section[]): Promise<string> => {
  const parts = [];
  for (const section of sections) parts.push(await renderSection(section));
  const name = data.settings.model.name;
  return html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta http-equiv="Content-Security-Policy" content="${POLICY}" />
        <title>${name}: KVTuner report</title>
        <style>
          ${trusted(STYLE)}
        </style>
      </head>
      <body>
        <main>
          ${headline(data)}
          <nav aria-label="Parts of this report">
            ${sections.map(({ id, title }) => html`<a href="#${id}">${title}</a>`)}
          </nav>
          ${parts}
          <footer>Written by kvtuner. Everything shown is in this file; it opens without a network.</footer>
        </main>
        <div id="tip" role="status" hidden></div>
        <script>
          ${trusted(TOOLTIP_SCRIPT)};
        </script>
      </body>
    </html> `.html;
};

const SCRIPT_HASH = createHash("sha256").update(TOOLTIP_SCRIPT).digest("base64");

const POLICY = `default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-${SCRIPT_HASH}'`;
