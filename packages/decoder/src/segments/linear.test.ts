import { expect, test } from "vitest";
import { integers, node } from "../onnx/graph.ts";
import { join } from "./linear.ts";

const shared = { nodes: [node("Tanh", ["input"], ["bent"])], constants: [integers("sizes", [2, 3])] };

test("equal nodes and constants of two parts are joined", () => {
  const other = { nodes: [node("Tanh", ["input"], ["bent"])], constants: [integers("sizes", [2, 3])] };
  expect(join([shared, other])).toEqual(shared);
});

test.each([
  ["bent", { nodes: [node("Sigmoid", ["input"], ["bent"])], constants: [] }],
  ["bent", { nodes: [node("Tanh", ["other"], ["bent"])], constants: [] }],
  ["sizes", { nodes: [], constants: [integers("sizes", [2, 4])] }],
  ["sizes", { nodes: [], constants: [integers("sizes", [2])] }],
])("two parts that make %s in two ways are an error", (name, other) => {
  expect(() => join([shared, other])).toThrow(`make ${name}`);
});
