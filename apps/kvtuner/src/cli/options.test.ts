import { fc, test } from "@fast-check/vitest";
import { LIMIT_OPTIONS, limitOf, limitOption } from "@kvtuner/tuning";
import { Command } from "commander";
import { describe, expect } from "vitest";
import { withOptions } from "./options.ts";

const parsed = (argv: readonly string[]): Record<string, unknown> =>
  withOptions(new Command().exitOverride().configureOutput({ writeErr: () => undefined }), LIMIT_OPTIONS)
    .parse([...argv], { from: "user" })
    .opts();

const names = fc.constantFrom(...Object.keys(LIMIT_OPTIONS));

describe("limits on the command line", () => {
  test.prop([names, fc.integer({ min: 1, max: 2 ** 40 })])(
    "every limit is read back as it is printed",
    (name, value) => {
      const limit = limitOf({ [name]: value });
      const [[flag, text] = []] = limitOption(limit);
      expect(limitOf(parsed([`--${flag}`, text ?? ""]))).toEqual(limit);
      expect(limit).not.toEqual(limitOf({}));
    },
  );

  test.prop([fc.uniqueArray(names, { minLength: 2, maxLength: 2 }), names])(
    "at most one is accepted, above 0",
    (two, name) => {
      const argv = two.flatMap((other) =>
        [...limitOption(limitOf({ [other]: 1 }))].flatMap(([flag, text]) => [`--${flag}`, text]),
      );
      expect(() => parsed(argv)).toThrow("cannot be used with");
      expect(() => limitOf({ [name]: 0 })).toThrow("a number above 0");
    },
  );
});
