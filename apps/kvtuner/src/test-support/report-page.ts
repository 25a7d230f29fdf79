const ENTITIES: Readonly<Record<string, string>> = { lt: "<", gt: ">", quot: '"', "#39": "'", amp: "&" };

/** Text of what a page holds. */
export const unescapeText = (html: string): string =>
  html.replaceAll(/&(lt|gt|quot|#39|amp);/g, (_, name: string) => ENTITIES[name] ?? "");

/** A chart of a report's page as a reader without a browser sees it. */
export interface PageChart {
  /** What the marks say of themselves, drawn for a page and for a phone. */
  readonly marks: { readonly wide: readonly string[]; readonly narrow: readonly string[] };
  readonly head: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

/** HTML of a section. */
export const sectionOf = (page: string, id: string): string =>
  new RegExp(`<section id="${id}">([\\s\\S]*?)</section>`).exec(page)?.[1] ?? "";

/** Takes a section's chart apart. */
export const chartOf = (page: string, id: string): PageChart => {
  const section = sectionOf(page, id);
  const [, wide = "", narrow = ""] =
    /<div class="wide">([\s\S]*?)<\/div>\s*<div class="narrow">([\s\S]*?)<\/div>/.exec(section) ?? [];
  const table = /<table[\s\S]*<\/table>/.exec(section)?.[0] ?? "";
  return {
    marks: { wide: marksOf(wide), narrow: marksOf(narrow) },
    head: cellsOf(table, "th"),
    rows: (table.match(/<tr>(?:(?!<th)[\s\S])*?<\/tr>/g) ?? []).map((row) => cellsOf(row, "td")),
  };
};

const marksOf = (svg: string): string[] =>
  [...svg.matchAll(/<path aria-label="([^"]*)"/g)].map(([, label = ""]) => unescapeText(label));

const cellsOf = (html: string, tag: "td" | "th"): string[] =>
  [...html.matchAll(new RegExp(`<${tag}(?: [^>]*)?>([^<]*)</${tag}>`, "g"))].map(([, text = ""]) => unescapeText(text));
