import { describe, expect, it } from "vitest";
import { callsLasting, isFaster, type Timed } from "./timed-in-turns.ts";

/** Cycles through `times`, multiplied by the number of calls. */
const taking = (...times: number[]): Timed => {
  let index = 0;
  return { time: async (calls) => calls * times[index++ % times.length]! };
};

describe("kernels are faster than plainer ones", () => {
  it.each([
    ["when they are by far", taking(5), taking(10), true],
    ["not by less than the margin", taking(9.5), taking(10), false],
    ["not for one quick round", taking(10, 10, 1, 10, 10, 10), taking(10), false],
    ["in spite of slow rounds", taking(5, 5, 90, 5, 5, 5), taking(10), true],
    ["not for the plainer one's slow rounds", taking(10), taking(10, 90, 10, 10, 90), false],
  ])("%s", async (_, rival, plainer, expected) => {
    await expect(isFaster(rival, plainer, 4, 5)).resolves.toBe(expected);
  });

  it("when they take turns, so that a GPU that slows down slows both", async () => {
    let clock = 1;
    const slowing = (factor: number): Timed => ({ time: async () => factor * (clock *= 1.02) });
    await expect(isFaster(slowing(1), slowing(1), 1, 9)).resolves.toBe(false);
    await expect(isFaster(slowing(0.8), slowing(1), 1, 9)).resolves.toBe(true);
  });
});

it("as many calls are timed as last for long enough, but not for ever", async () => {
  await expect(callsLasting(taking(3), 10)).resolves.toBe(4);
  await expect(callsLasting(taking(30), 10)).resolves.toBe(1);
  await expect(callsLasting(taking(0), 10)).resolves.toBe(1024);
});
