import { expect, test } from "vitest";
import { strip } from "./format.ts";
import { recordingTerminal } from "./test-terminal.ts";

test("a plan's strip numbers every fifth layer by its place in the model", () => {
  const terminal = recordingTerminal();
  const recurrent = [0, 1, 3, 4, 6, 7, 9].map((place) => ({ place, kind: "short convolution", stateBytes: 8 }));
  const shape = { layers: 6, queryHeads: 1, kvHeads: 1, headSize: 32, recurrent };
  terminal.out(...strip(["K8V4", ...Array<string>(5).fill("K4V2")], shape, terminal));
  expect(terminal.written.out.split("\n").map((line) => line.trimEnd())).toEqual([
    "  2         12",
    "K 8 4 4 4 4 4",
    "V 4 2 2 2 2 2",
  ]);
});
