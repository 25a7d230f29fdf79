import { fc, test } from "@fast-check/vitest";
import { describe, expect } from "vitest";

import { openJournal, readJournal, type Journal } from "./journal.ts";
import { memoryStorage } from "./memory-storage.ts";

const NAME = "journal.jsonl";

const parse = (value: unknown): number => {
  if (typeof value !== "number") throw new TypeError("no number");
  return value;
};

const open = (records: Map<string, string>, warnings: string[] = []): Promise<Journal<number>> =>
  openJournal({ storage: memoryStorage(records), name: NAME, parse, warn: (message) => warnings.push(message) });

describe("journal", () => {
  test.prop([fc.array(fc.integer(), { minLength: 1 }), fc.nat()])(
    "cut anywhere, it holds every whole line, says so when it drops a part of one, and goes on",
    async (values, cut) => {
      const records = new Map<string, string>();
      const written = await open(records);
      for (const value of values) await written.append(value);
      const whole = records.get(NAME) ?? "";
      const length = cut % (whole.length + 1);
      records.set(NAME, whole.slice(0, length));
      const lines = whole.slice(0, length).split("\n").length - 1;

      const warnings: string[] = [];
      const reading = readJournal({ storage: memoryStorage(records), name: NAME, parse });
      await expect(reading).resolves.toEqual(values.slice(0, lines));
      const reopened = await open(records, warnings);
      expect(reopened.entries).toEqual(values.slice(0, lines));
      expect(warnings).toHaveLength(length === 0 || whole[length - 1] === "\n" ? 0 : 1);
      await reopened.append(7);
      expect((await open(records)).entries).toEqual([...values.slice(0, lines), 7]);
    },
  );

  test.each(["1\nnot json\n2\n", '1\n"text"\n2\n'])(
    "damage inside is an error that names the line: %j",
    async (text) => {
      await expect(open(new Map([[NAME, text]]))).rejects.toThrow(
        expect.objectContaining({ code: "STUDY_JOURNAL_DAMAGED", message: expect.stringContaining("line 2") }),
      );
    },
  );

  test("one that cannot be read is an error that says why", async () => {
    const read = (): Promise<string> => Promise.reject(new Error("EISDIR: illegal operation, read"));
    const storage = { ...memoryStorage(), read };
    await expect(openJournal({ storage, name: NAME, parse, warn: () => undefined })).rejects.toThrow(
      expect.objectContaining({
        code: "STUDY_JOURNAL_DAMAGED",
        message: expect.stringMatching(/journal\.jsonl.*EISDIR/),
      }),
    );
  });

  test("a half-written line that happens to be JSON is dropped too: more of it may be missing", async () => {
    const records = new Map([[NAME, "1\n12"]]);
    expect((await open(records)).entries).toEqual([1]);
    expect(records.get(NAME)).toBe("1\n");
  });
});
