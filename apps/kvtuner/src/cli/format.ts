import { cachePlaces, type CacheShape, formatBytes } from "@kvtuner/plan";
import type { FrontPlan } from "@kvtuner/tuning";
import { plainTable } from "../plain-table.ts";
import type { Painted, Piece, Style, Terminal } from "./terminal.ts";

/** The front, one plan per line; the picked one is marked. */
export const frontTable = (front: readonly FrontPlan[], picked: FrontPlan | undefined, context: number): string => {
  const hasTask = front.some(({ task }) => task !== undefined);
  return plainTable(
    ["", "true bits", "equivalent bits", `bytes at ${context}`, ...(hasTask ? ["accuracy", "+-"] : []), "KL", "+-"],
    front.map((plan) => [
      plan.choices.join() === picked?.choices.join() ? ">" : "",
      plan.bits.toFixed(3),
      plan.equivalentBits.toFixed(3),
      formatBytes(plan.bytes),
      ...(hasTask ? [plan.task?.accuracy.toFixed(4) ?? "", plan.task?.accuracyStandardError.toFixed(4) ?? ""] : []),
      plan.kl.toPrecision(3),
      plan.klStandardError === 0 ? "" : plan.klStandardError.toPrecision(2),
    ]),
  );
};

/**
 * A plan as a strip with a column per layer: key bits above value bits, coloured by bits. The number in the
 * model of every fifth layer stands above. Ends without a newline.
 */
export const strip = (pairs: readonly string[], shape: CacheShape, terminal: Terminal): Piece[] => {
  const bits = pairs.map(bitsOfPair);
  const width = bits.flat().every(Number.isInteger) ? 2 : 5;
  const numbered = cachePlaces(shape).filter((_, layer) => layer % 5 === 0);
  const numbers = numbered.map((place) => String(place).padEnd(5 * width)).join("");
  return [
    `  ${numbers.trimEnd()}\nK `,
    ...bits.map(([key]) => cell(key, width, terminal)),
    "\nV ",
    ...bits.map(([, value]) => cell(value, width, terminal)),
  ];
};

/** Bits in `K8V4`, or in `K1.2V2.05` where they differ by channel. */
const bitsOfPair = (pair: string): readonly [key: number, value: number] => {
  const [key = Number.NaN, value = Number.NaN] = pair.slice(1).split("V").map(Number);
  return [key, value];
};

const cell = (bits: number, width: number, { paint }: Terminal): Painted =>
  paint(["black", background(bits)], (width === 2 ? String(bits) : bits.toFixed(1)).padEnd(width));

const background = (bits: number): Style => {
  if (bits <= 2) return "bgRed";
  if (bits <= 3) return "bgYellow";
  if (bits <= 4) return "bgGreen";
  return bits <= 8 ? "bgCyan" : "bgWhite";
};
