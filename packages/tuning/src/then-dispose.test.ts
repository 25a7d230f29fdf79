import { fc, test } from "@fast-check/vitest";
import { expect } from "vitest";
import { thenDispose } from "./then-dispose.ts";

const failure = fc.constantFrom("none", "rejects", "throws");

test.prop([fc.array(failure, { minLength: 1, maxLength: 5 })])(
  "all disposals run, in order, and the first error is thrown",
  async (failures) => {
    const ran: number[] = [];
    const [work, ...disposals] = failures.map((fails, index) => (): Promise<void> => {
      ran.push(index);
      if (fails === "throws") throw new Error(String(index));
      return fails === "rejects" ? Promise.reject(new Error(String(index))) : Promise.resolve();
    });
    const outcome = await thenDispose(work!, ...disposals).then(
      () => -1,
      (error: unknown) => Number((error as Error).message),
    );
    expect(outcome).toBe(failures.findIndex((fails) => fails !== "none"));
    expect(ran).toEqual([...failures.keys()]);
  },
);
