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

test("bits that differ by channel are shown with one decimal", () => {
  const terminal = recordingTerminal();
  const shape = { layers: 6, queryHeads: 1, kvHeads: 1, headSize: 32 };
  terminal.out(...strip(["K1.2V2.05", ...Array<string>(5).fill("K16V2")], shape, terminal));
  expect(terminal.written.out.split("\n").map((line) => line.trimEnd())).toEqual([
    "  0                        5",
    "K 1.2  16.0 16.0 16.0 16.0 16.0",
    "V 2.0  2.0  2.0  2.0  2.0  2.0",
  ]);
});
