import { expect, it } from "vitest";
import type { Buffer } from "./buffer.ts";
import { Commands } from "./commands.ts";
import { noCounts } from "./counters.ts";
import type { Gpu } from "./gpu.ts";
import type { Kernel } from "./kernel-library.ts";
import { ParameterSheet, SHEET_ROWS } from "./parameter-sheet.ts";

/** A fake GPU that records, per submit, the parameter words and the offsets that dispatches read. */
const recordingGpu = () => {
  const submits: { words: number[]; offsets: number[] }[] = [];
  let [words, offsets]: [number[], number[]] = [[], []];
  const queue = {
    writeBuffer: (_buffer: unknown, _start: number, all: Uint32Array, from: number, count: number) => {
      words = [...all.subarray(from, from + count)];
    },
    submit: () => {
      submits.push({ words, offsets });
      offsets = [];
    },
  } as unknown as GPUQueue;
  const pass = {
    setPipeline: () => {},
    setBindGroup: (_index: number, _group: unknown, [offset]: [number]) => void offsets.push(offset),
    dispatchWorkgroups: () => {},
    end: () => {},
  };
  const encoder = { beginComputePass: () => pass, finish: () => ({}) };
  const gpu = {
    device: { queue, createCommandEncoder: () => encoder },
    sheet: new ParameterSheet(queue, {} as Buffer),
    bindGroups: { of: () => ({}) },
    counters: noCounts(),
  } as unknown as Gpu;
  return { gpu, submits };
};

const run = (commands: Commands, number: number, words = 1): void =>
  commands.run({} as Kernel, [], Array<number>(words).fill(number), [1]);

/** The first parameter of each dispatch, over all submits. */
const numbersOf = ({ submits }: ReturnType<typeof recordingGpu>): number[] =>
  submits.flatMap(({ words, offsets }) => offsets.map((offset) => words[offset / 4]!));

it("commands of more dispatches than the sheet has rows are submitted in as many parts, each with its own parameters", () => {
  const recording = recordingGpu();
  const commands = new Commands(recording.gpu);
  const numbers = Array.from({ length: 2 * SHEET_ROWS + 5 }, (_, index) => index);
  for (const number of numbers) run(commands, number);
  commands.submit();
  expect(recording.submits).toHaveLength(3);
  expect(numbersOf(recording)).toEqual(numbers);
});

it("parameters of several rows are never divided between submits", () => {
  const recording = recordingGpu();
  const commands = new Commands(recording.gpu);
  const numbers = Array.from({ length: SHEET_ROWS }, (_, index) => index);
  for (const number of numbers) run(commands, number, 130);
  commands.submit();
  expect(recording.submits).toHaveLength(4);
  for (const { words, offsets } of recording.submits)
    for (const offset of offsets) expect(new Set(words.slice(offset / 4, offset / 4 + 130)).size).toBe(1);
  expect(numbersOf(recording)).toEqual(numbers);
});

it("commands that were given up leave those after them the whole sheet", () => {
  const recording = recordingGpu();
  for (let round = 0; round < 3; round++) {
    const givenUp = new Commands(recording.gpu);
    for (let index = 0; index < SHEET_ROWS - 1; index++) run(givenUp, index);
  }
  recording.submits.length = 0;
  const commands = new Commands(recording.gpu);
  run(commands, 7);
  commands.submit();
  expect(recording.submits).toHaveLength(1);
  expect(recording.submits[0]!.words[0]).toBe(7);
});
