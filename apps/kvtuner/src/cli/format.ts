import { cachePlaces, type CacheShape, formatBytes, parsePair } from "@kvtuner/plan";
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
  const parsed = pairs.map((name) => parsePair(name));
  const numbered = cachePlaces(shape).filter((_, layer) => layer % 5 === 0);
  const numbers = numbered.map((place) => String(place).padEnd(10)).join("");
  return [
    `  ${numbers.trimEnd()}\nK `,
    ...parsed.map(({ key }) => cell(key, terminal)),
    "\nV ",
    ...parsed.map(({ value }) => cell(value, terminal)),
  ];
};

const cell = (bits: number, { paint }: Terminal): Painted => paint(["black", background(bits)], String(bits).padEnd(2));

const background = (bits: number): Style => {
  if (bits <= 2) return "bgRed";
  if (bits <= 3) return "bgYellow";
  if (bits <= 4) return "bgGreen";
  return bits <= 8 ? "bgCyan" : "bgWhite";
};
