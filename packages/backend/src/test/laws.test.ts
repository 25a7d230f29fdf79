import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type * as Cells from "../../examples/cells.ts";
import type { Backend } from "../backend.ts";
import { LAWS } from "./laws.ts";
import { CONDUCT_FAULTS } from "./test-support/conduct-faults.ts";
import { NUMBER_FAULTS } from "./test-support/number-faults.ts";
import { wrappedBackend } from "./test-support/wrapped-backend.ts";

const faults = [...NUMBER_FAULTS, ...CONDUCT_FAULTS];

describe("the law is broken by a backend that", () => {
  beforeEach(() => {
    vi.resetModules();
  });
  afterEach(() => {
    for (const { check } of faults) if (check) vi.doUnmock(`../${check.file}`);
    vi.doUnmock("../../examples/cells.ts");
  });

  it.each(faults)("$law: $mistake", async ({ law, says, check: changed, cells, wrapping, options }) => {
    if (changed)
      vi.doMock(`../${changed.file}`, async (original) => replaced(await original<object>(), changed.change));
    if (cells)
      vi.doMock("../../examples/cells.ts", async (original) => replaced(await original<typeof Cells>(), cells));
    const { createExampleBackend } = await import("../../examples/example-backend.ts");
    const create = wrapping ? (): Backend => wrappedBackend(wrapping) : createExampleBackend;
    const check = LAWS[law].check({ name: "broken", createBackend: create, createSmallBackend: create, ...options });
    await expect(check).rejects.toMatchObject({ code: "BACKEND_LAW", message: expect.stringMatching(says) });
  });

  it("every law", () => {
    expect(new Set(faults.map(({ law }) => law))).toEqual(new Set(Object.keys(LAWS)));
  });
});

const replaced = <Module extends object>(original: Module, change: (original: Module) => Partial<Module>): Module => ({
  ...original,
  ...change(original),
});
