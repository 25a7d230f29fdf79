/** HTML that is safe to put into a page. */
export interface Markup {
  readonly html: string;
}

/** Values of a template: text, which is escaped; markup, which is not; and lists of these. */
export type Content = string | number | Markup | undefined | readonly Content[];

const ESCAPES: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

/** Escapes text for use between tags and in quoted attributes. */
export const escapeText = (text: string): string =>
  text.replaceAll(/[&<>"']/g, (character) => ESCAPES[character] ?? "");

/** Marks text as HTML. Never use it for what a user made. */
export const trusted = (html: string): Markup => ({ html });

/** A template of HTML. Escapes every value unless it came from such a template. */
export const html = (strings: TemplateStringsArray, ...values: readonly Content[]): Markup =>
  trusted(strings.map((string, index) => string + (index < values.length ? render(values[index]) : "")).join(""));

const render = (content: Content): string => {
  if (content === undefined) return "";
  if (typeof content === "string") return escapeText(content);
  if (typeof content === "number") return String(content);
  return isList(content) ? content.map(render).join("") : content.html;
};

const isList = (content: Content): content is readonly Content[] => Array.isArray(content);
