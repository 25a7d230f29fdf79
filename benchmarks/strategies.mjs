import { readFileSync } from "node:fs";
import { join } from "node:path";
/**
 * Compares studies of one space: hypervolume over (log10 KL, equivalent bits) up to (0, 8), and the best plans within some
 * bits, of the first COUNT plans that each evaluated (a later `tune --bits` adds plans of its own).
 *   node benchmarks/strategies.mjs STUDY:COUNT [...]
 */
import { equivalentBits, parseShorthand } from "@kvtuner/plan";
import { hypervolume } from "@kvtuner/search";
import { markdownTable } from "./shared.mjs";

const LIMITS = [5, 4.5, 4];

const bitsOf = ({ choices }) => equivalentBits({ layers: choices.map((id) => parseShorthand(id).layer) });

const evaluations = (folder, count) =>
  readFileSync(join(folder, "journal.jsonl"), "utf8")
    .trim()
    .split("\n")
    .slice(0, count)
    .map((line) => JSON.parse(line))
    .map((row) => ({ kl: row.kl, bits: bitsOf(row) }));

const rows = process.argv.slice(2).map((argument) => {
  const [, folder, count] = /^(.*):(\d+)$/.exec(argument);
  const plans = evaluations(folder, Number(count));
  const groups = JSON.parse(readFileSync(join(folder, "groups.json"), "utf8")).groups.length;
  const bestWithin = (limit) => Math.min(...plans.filter(({ bits }) => bits <= limit + 1e-9).map(({ kl }) => kl));
  return [
    folder,
    String(plans.length),
    String(groups),
    hypervolume(
      plans.map(({ kl, bits }) => [Math.log10(kl), bits]),
      [0, 8],
    ).toFixed(2),
    ...LIMITS.map((limit) => bestWithin(limit).toPrecision(4)),
  ];
});
console.log(
  markdownTable([
    ["study", "evaluations", "groups", "hypervolume", ...LIMITS.map((limit) => `best KL within ${limit} bits`)],
    ...rows,
  ]),
);
