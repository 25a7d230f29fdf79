import { describe, expect, test } from "vitest";
import { sizeFault, withSize } from "./sizes.mjs";

describe("the size a README states", () => {
  test("is added at the end, then replaced", () => {
    const readme = withSize("# A\n\nText.\n", 94_600);
    expect(readme).toMatch(/^# A\n\nText\.\n\nSize: 94\.6 kB minified .*\n$/);
    expect(withSize(readme, 9_460)).toMatch(/^# A\n\nText\.\n\nSize: 9\.46 kB minified .*\n$/);
    expect(sizeFault(readme, 94_600)).toBeUndefined();
  });

  test("may be off by a tenth, but not missing", () => {
    const readme = withSize("", 100_000);
    expect(sizeFault(readme, 109_000)).toBeUndefined();
    expect(sizeFault(readme, 112_000)).toMatch(/states 100 kB, but it is now 112\.0 kB/);
    expect(sizeFault(readme, 90_000)).toMatch(/90\.0 kB/);
    expect(sizeFault("# A\n", 90_000)).toMatch(/states no size/);
  });
});
