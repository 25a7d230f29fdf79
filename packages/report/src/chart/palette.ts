/** The meaning of a colour. */
export type Role = "page" | "card" | "ink" | "muted" | "grid" | "picked" | "front" | "uniform" | "other" | "faint";

/** A colour on a light and on a dark page. */
interface Shades {
  readonly light: string;
  readonly dark: string;
}

/** Colours by role. Hues are Okabe and Ito's, distinct for any colour vision. Shapes and dashes repeat them. */
export const PALETTE: Readonly<Record<Role, Shades>> = {
  page: { light: "#f6f5f1", dark: "#12151a" },
  card: { light: "#ffffff", dark: "#1b2027" },
  ink: { light: "#1c2330", dark: "#e9ecf1" },
  muted: { light: "#5a6472", dark: "#a5afbc" },
  grid: { light: "#e3e6ea", dark: "#313843" },
  picked: { light: "#d55e00", dark: "#ff9446" },
  front: { light: "#0072b2", dark: "#5ab8f0" },
  uniform: { light: "#008a65", dark: "#37c99d" },
  other: { light: "#9a4f8a", dark: "#d98cc4" },
  faint: { light: "#9aa3af", dark: "#6d7885" },
};

/** The colour for a chart: a CSS variable that the page sets for light and dark. */
export const paint = (role: Role): string => `var(--${role})`;

/** CSS declarations of the variables. */
export const paletteCss = (shade: keyof Shades): string =>
  Object.entries(PALETTE)
    .map(([role, shades]) => `--${role}:${shades[shade]};`)
    .join("");

/** Plain light colours for a chart in a file of its own: programs other than browsers do not know CSS variables. */
export const withPlainColors = (svg: string): string =>
  svg.replace(/var\(--([a-z]+)\)/g, (whole, role: string) => (role in PALETTE ? PALETTE[role as Role].light : whole));

/** A cell's colour, and one of its text. */
interface CellColor {
  readonly fill: string;
  readonly ink: string;
}

/** Cells by bits, paler for fewer, with a readable ink on each. The same on light and dark pages. */
const BIT_COLORS: Readonly<Record<number, CellColor>> = {
  2: { fill: "#dcebf7", ink: "#10243a" },
  3: { fill: "#b4d4ea", ink: "#10243a" },
  4: { fill: "#7fb6dc", ink: "#10243a" },
  5: { fill: "#559ccd", ink: "#10243a" },
  6: { fill: "#2f7fb8", ink: "#ffffff" },
  8: { fill: "#14568f", ink: "#ffffff" },
  16: { fill: "#0a2f57", ink: "#ffffff" },
};

/** The colour of a number of bits: that of the nearest width. */
export const bitsColor = (bits: number): CellColor => {
  const widths = Object.keys(BIT_COLORS).map(Number);
  const nearest = widths.reduce((best, width) => (Math.abs(width - bits) < Math.abs(best - bits) ? width : best));
  return BIT_COLORS[nearest]!;
};
