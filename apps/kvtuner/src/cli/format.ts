import { formatBytes, parsePair } from "@kvtuner/plan";

import type { FrontPlan } from "../pipeline/pick.ts";
import { plainTable } from "../plain-table.ts";
import type { Terminal } from "./terminal.ts";

type Colors = Terminal["colors"];

/** The front, one plan a line; the picked one is marked. */
export const frontTable = (front: readonly FrontPlan[], picked: FrontPlan | undefined, context: number): string => {
  const isAsked = front.some(({ task }) => task !== undefined);
  return plainTable(
    ["", "true bits", "equivalent bits", `bytes at ${context}`, ...(isAsked ? ["accuracy", "+-"] : []), "KL", "+-"],
    front.map((plan) => [
      plan.pairs.join() === picked?.pairs.join() ? ">" : "",
      plan.bits.toFixed(3),
      plan.equivalentBits.toFixed(3),
      formatBytes(plan.bytes),
      ...(isAsked ? [plan.task?.accuracy.toFixed(4) ?? "", plan.task?.accuracyStandardError.toFixed(4) ?? ""] : []),
      plan.kl.toPrecision(3),
      plan.klStandardError === 0 ? "" : plan.klStandardError.toPrecision(2),
    ]),
  );
};

/**
 * A plan as a strip: a column for each layer, key bits above value bits, coloured by bits; above it the layer's index,
 * every fifth one.
 */
export const strip = (pairs: readonly string[], colors: Colors): string => {
  const parsed = pairs.map((name) => parsePair(name));
  const row = (label: string, bits: readonly number[]): string =>
    `${label} ${bits.map((value) => cell(value, colors)).join("")}`;
  return [
    `  ${parsed
      .map((_, layer) => (layer % 5 === 0 ? String(layer).padEnd(2) : "  "))
      .join("")
      .trimEnd()}`,
    row(
      "K",
      parsed.map((pair) => pair.key),
    ),
    row(
      "V",
      parsed.map((pair) => pair.value),
    ),
  ].join("\n");
};

const cell = (bits: number, colors: Colors): string => {
  const text = String(bits).padEnd(2);
  if (bits <= 2) return colors.bgRed(colors.black(text));
  if (bits <= 3) return colors.bgYellow(colors.black(text));
  if (bits <= 4) return colors.bgGreen(colors.black(text));
  if (bits <= 8) return colors.bgCyan(colors.black(text));
  return colors.bgWhite(colors.black(text));
};
