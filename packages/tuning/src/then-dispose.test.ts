import { fc, test } from "@fast-check/vitest";
import { expect } from "vitest";
import { thenDispose } from "./then-dispose.ts";

test.prop([fc.array(fc.boolean(), { minLength: 1, maxLength: 5 })])(
  "all disposals run, in order, and the first error is thrown",
  async (failures) => {
    const ran: number[] = [];
    const [work, ...disposals] = failures.map((fails, index) => async (): Promise<void> => {
      ran.push(index);
      if (fails) throw new Error(String(index));
    });
    const outcome = await thenDispose(work!, ...disposals).then(
      () => -1,
      (error: unknown) => Number((error as Error).message),
    );
    expect(outcome).toBe(failures.indexOf(true));
    expect(ran).toEqual([...failures.keys()]);
  },
);
