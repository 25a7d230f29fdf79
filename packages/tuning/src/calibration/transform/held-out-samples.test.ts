import { expect, it } from "vitest";
import { heldOutLast } from "./held-out-samples.ts";

it.each([
  [1, 1, [0]],
  [2, 1, [0, 1]],
  [4, 3, [0, 1, 2, 3]],
  // Of three texts with three samples each, one of each text.
  [9, 6, [0, 1, 3, 4, 6, 7, 2, 5, 8]],
])("holds out a third of %d samples, over all texts", (count, fit, order) => {
  const samples = Array.from({ length: count }, (_, sample) => Int32Array.of(sample));
  const found = heldOutLast(samples);
  expect(found.fit).toBe(fit);
  expect(found.ordered.map(([sample]) => sample)).toEqual(order);
});
