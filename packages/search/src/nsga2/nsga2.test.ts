import { expect, test } from "vitest";
import type { Evaluation } from "../ask-tell.ts";
import { createNsga2 } from "./nsga2.ts";

test.each([
  { violations: [0, 4, -1, 3, 2, 0], survivors: [5, 2, 0] },
  { violations: [0, 9, 8, 3, 2, 5], survivors: [0, 4, 3] },
])("of violations $violations the allowed survive, then the least forbidden", ({ violations, survivors }) => {
  const search = createNsga2({ choices: [100], objectives: 1, seed: 1, populationSize: 3 });
  // Generations of three; the later a genome, the better its objective.
  const told = violations.map((constraintViolation, index) => ({
    genome: [index],
    objectives: [-index],
    constraintViolation,
  }));
  search.tell(told);
  const checkpoint = search.checkpoint() as { survivors: { evaluation: Evaluation }[] };
  expect(checkpoint.survivors.map(({ evaluation }) => evaluation.genome[0])).toEqual(survivors);
});
