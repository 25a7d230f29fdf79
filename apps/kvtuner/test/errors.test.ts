import { dbscan } from "@kvtuner/clustering";
import { KvtunerError } from "@kvtuner/plan";
import { hypervolume } from "@kvtuner/search";
import { expect, test } from "vitest";

test.each([
  ["SEARCH_BAD_REFERENCE", () => hypervolume([[Number.NaN, 1]], [2, 2])],
  ["CLUSTERING_NOT_FINITE", () => dbscan([[Number.NaN]], { epsilon: 1, minimumSamples: 1 })],
])("%s, of a package that does not import plan, is known as one of ours", (code, work) => {
  expect(work).toThrow(expect.objectContaining({ code }));
  expect(work).toThrow(expect.toSatisfy(KvtunerError.isInstance));
});
