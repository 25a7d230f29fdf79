import { appendFileSync, mkdirSync, mkdtempSync, readFileSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { fc, test } from "@fast-check/vitest";
import { describe, expect } from "vitest";

import { openJournal } from "./journal.ts";

const parse = (value: unknown): number => {
  if (typeof value !== "number") throw new TypeError("no number");
  return value;
};

const newPath = (): string => join(mkdtempSync(join(tmpdir(), "kvtuner-journal-")), "journal.jsonl");

const open = (path: string, warnings: string[] = []): ReturnType<typeof openJournal<number>> =>
  openJournal({ path, parse, warn: (message) => warnings.push(message) });

describe("journal", () => {
  test.prop([fc.array(fc.integer(), { minLength: 1 }), fc.nat()])(
    "cut anywhere, it holds every whole line, says so when it drops a part of one, and goes on",
    (values, cut) => {
      const path = newPath();
      const written = open(path);
      for (const value of values) written.append(value);
      written.close();
      const whole = readFileSync(path);
      const length = cut % (whole.length + 1);
      truncateSync(path, length);
      const lines = whole.subarray(0, length).toString().split("\n").length - 1;

      const warnings: string[] = [];
      const reopened = open(path, warnings);
      expect(reopened.entries).toEqual(values.slice(0, lines));
      expect(warnings).toHaveLength(length === 0 || whole[length - 1] === 0x0a ? 0 : 1);
      reopened.append(7);
      reopened.close();
      const again = open(path);
      expect(again.entries).toEqual([...values.slice(0, lines), 7]);
      again.close();
    },
  );

  test.each(["1\nnot json\n2\n", '1\n"text"\n2\n'])("damage inside is an error that names the line: %j", (text) => {
    const path = newPath();
    writeFileSync(path, text);
    expect(() => open(path)).toThrow(
      expect.objectContaining({ code: "STUDY_JOURNAL_DAMAGED", message: expect.stringContaining("line 2") }),
    );
  });

  test("one that cannot be read is an error that says why", () => {
    const folder = newPath();
    mkdirSync(folder);
    expect(() => open(folder)).toThrow(
      expect.objectContaining({
        code: "STUDY_JOURNAL_DAMAGED",
        message: expect.stringMatching(/journal\.jsonl.*EISDIR/),
      }),
    );
  });

  test("a half-written line that happens to be JSON is dropped too: more of it may be missing", () => {
    const path = newPath();
    writeFileSync(path, "1\n");
    appendFileSync(path, "12");
    const journal = open(path);
    expect(journal.entries).toEqual([1]);
    journal.close();
  });
});
