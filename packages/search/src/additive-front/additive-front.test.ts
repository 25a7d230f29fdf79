import { fc, test } from "@fast-check/vitest";
import { expect } from "vitest";
import { nonDominatedSort } from "../non-dominated-sort.ts";
import { additiveFront } from "./additive-front.ts";

const row = fc.array(fc.tuple(fc.nat(40), fc.nat(30)), { minLength: 1, maxLength: 4 });

test.prop([fc.array(row, { minLength: 1, maxLength: 5 })])("is the front of all genomes", (genes) => {
  let all: [number, number][] = [[0, 0]];
  for (const gene of genes)
    all = all.flatMap(([c, l]) => gene.map(([cost, loss]): [number, number] => [c + cost, l + loss]));
  const best = new Set(nonDominatedSort(all)[0]!.map((index) => all[index]!.join()));
  const front = additiveFront({
    costs: genes.map((g) => g.map(([c]) => c)),
    losses: genes.map((g) => g.map(([, l]) => l)),
  });
  expect(new Set(front.map(({ cost, loss }) => `${cost},${loss}`))).toEqual(best);
});
