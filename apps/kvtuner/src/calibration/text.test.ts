import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fc, test } from "@fast-check/vitest";
import { textSamples } from "@kvtuner/tuning";
import { describe, expect } from "vitest";
import { readText } from "./text.ts";

const path = join(mkdtempSync(join(tmpdir(), "kvtuner-text-")), "text.txt");

/** One token per letter, so that every cut of the text is unique. */
const encode = (text: string): Int32Array => Int32Array.from(text, (character) => character.codePointAt(0) ?? 0);

describe("calibration text", () => {
  test.prop([fc.string({ unit: "binary" })])("is read unchanged", (text) => {
    writeFileSync(path, text);
    expect(readText(path)).toBe(text);
  });

  test.prop([fc.string({ unit: "grapheme" })])(
    "that is not UTF-8 is an error with the offset of the wrong byte",
    (text) => {
      const good = Buffer.from(text, "utf8");
      writeFileSync(path, Buffer.concat([good, Buffer.from([0xff]), Buffer.from("tail")]));
      expect(() => readText(path)).toThrow(
        expect.objectContaining({
          code: "TEXT_NOT_UTF8",
          message: expect.stringContaining(`at offset ${good.length};`),
        }),
      );
    },
  );

  test("that does not exist is an error", () => {
    expect(() => readText(`${path}.gone`)).toThrow(expect.objectContaining({ code: "TEXT_UNREADABLE" }));
  });

  test("shorter than its samples is an error with both lengths", () => {
    expect(() => textSamples({ encode }, "abc", { samples: 1, sampleLength: 4 })).toThrow(/4.*3/);
  });

  test("gives the same samples as tokenizing all of it, but does not tokenize all of a long one", () => {
    const text = "the quick brown 😀 fox ".repeat(5000);
    let encoded = 0;
    const counting = (part: string): Int32Array => {
      encoded += part.length;
      return encode(part);
    };
    const samples = textSamples({ encode: counting }, text, { samples: 3, sampleLength: 100 });
    expect(samples).toEqual([0, 1, 2].map((sample) => encode(text).slice(sample * 100, (sample + 1) * 100)));
    expect(encoded).toBeLessThan(text.length / 10);
  });

  test("has samples that start as the model's contexts do, without growing longer", () => {
    const samples = textSamples({ encode, startIds: [999] }, "abcdef", { samples: 2, sampleLength: 4 });
    expect(samples).toEqual(["abc", "def"].map((part) => Int32Array.of(999, ...encode(part))));
  });
});
