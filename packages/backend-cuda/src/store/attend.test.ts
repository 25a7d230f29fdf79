import { schemesOf } from "@kvtuner/backend";
import { expect, test } from "vitest";
import { KERNEL_CAPABILITIES } from "../capabilities.ts";
import { attendSharedBytes } from "./attend.ts";
import { layoutOf } from "./tensor-layout.ts";

/** What a launch may have on any GPU; more has to be asked for, kernel by kernel, which this package does not do. */
const MOST_BYTES = 48 * 1024;

test("attention takes no more shared memory than a launch may have, at every shape that is claimed", () => {
  const headSizes = KERNEL_CAPABILITIES.headSizes as readonly number[];
  const schemes = KERNEL_CAPABILITIES.key.flatMap((family) => schemesOf(family, 1));
  const sizes = headSizes.flatMap((headSize) =>
    schemes.flatMap((key) => {
      const shape = { layers: 1, queryHeads: 1, kvHeads: 1, headSize };
      const layout = layoutOf({ key, value: key, window: 0, sinks: 0 }, "key", shape);
      return [1, 4, 8].map((rows) => attendSharedBytes(rows, layout));
    }),
  );
  expect(sizes.length).toBeGreaterThan(1000);
  expect(Math.max(...sizes)).toBeLessThanOrEqual(MOST_BYTES);
});
