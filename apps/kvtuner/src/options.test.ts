import { availableParallelism } from "node:os";
import { expect, test } from "vitest";
import { benchSettings } from "./bench.ts";
import { runnerSettings } from "./run/runner.ts";

test.each([
  ["run", runnerSettings({ model: "any", plan: "none", threads: 3000 })],
  ["bench", benchSettings({ model: "any", plans: ["none"], threads: 3000 })],
])("%s takes no more threads than there are cores", (_, { threads }) => {
  expect(threads).toBe(availableParallelism());
});
