import type { Speed } from "@kvtuner/decoder";
import { formatBytes } from "@kvtuner/plan";
import type { Figures } from "../engine/engine.ts";
import type { Page } from "./page.ts";

/** Shows the size of a cache, compared with 16 bits, and its speed. */
export const showFigures = ({ cache: section, summary, parts }: Page, figures: Figures): void => {
  const { cache, prompt, prefill, decode, generated } = figures;
  const sizes = Object.entries({ ...cache.bytes.parts, all: cache.bytes.total });
  const rows = sizes.map(([part, sizeBytes]) => row(part.replace(".", " "), sizeBytes, cache.bytes16));
  parts.replaceChildren(...rows, row("16 bits", cache.bytes16, cache.bytes16));
  section.hidden = false;
  summary.textContent = [
    `${cache.tokens} tokens in ${formatBytes(cache.bytes.total)}, ${share(cache.bytes.total, cache.bytes16)} of the bytes in 16 bits.`,
    `Prompt: ${prompt.tokens} tokens, ${prompt.reused} of them already held, ${speed(prefill)}.`,
    `Generated: ${generated} tokens, ${speed(decode)}.`,
  ].join(" ");
};

const speed = ({ tokensPerSecond }: Speed): string =>
  tokensPerSecond === 0 ? "none timed" : `${tokensPerSecond.toPrecision(3)} tokens/s`;

const share = (part: number, whole: number): string => (whole === 0 ? "0%" : `${((100 * part) / whole).toFixed(1)}%`);

const row = (name: string, sizeBytes: number, bytes16: number): HTMLTableRowElement => {
  const line = document.createElement("tr");
  const head = document.createElement("th");
  head.scope = "row";
  head.textContent = name;
  const [size, beside, bar] = [
    document.createElement("td"),
    document.createElement("td"),
    document.createElement("span"),
  ];
  size.textContent = formatBytes(sizeBytes);
  bar.className = "bar";
  bar.style.width = bytes16 === 0 ? "0" : `${Math.min(100, (100 * sizeBytes) / bytes16)}%`;
  bar.role = "img";
  bar.ariaLabel = share(sizeBytes, bytes16);
  beside.append(bar);
  line.append(head, size, beside);
  return line;
};
