import { fc, test } from "@fast-check/vitest";
import { describe, expect } from "vitest";
import { withChecksum } from "./checksum.ts";
import { openJournal, readJournal, type Journal } from "./journal.ts";
import { memoryStorage } from "./memory-storage.ts";

const NAME = "journal.jsonl";

interface Entry {
  readonly value: number;
}

const parse = (value: unknown): Entry => {
  if (typeof (value as Entry | null)?.value !== "number") throw new TypeError("no number");
  return value as Entry;
};

const open = (records: Map<string, string>, warnings: string[] = []): Promise<Journal<Entry>> =>
  openJournal({ storage: memoryStorage(records), name: NAME, parse, warn: (message) => warnings.push(message) });

const entries = fc.array(fc.record({ value: fc.integer() }), { minLength: 1 });

const written = async (values: readonly Entry[]): Promise<Map<string, string>> => {
  const records = new Map<string, string>();
  const journal = await open(records);
  for (const value of values) await journal.append(value);
  return records;
};

describe("journal", () => {
  test.prop([entries, fc.nat()])(
    "cut anywhere, it holds every whole line, says so when it drops a part of one, and goes on",
    async (values, cut) => {
      const records = await written(values);
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
      await reopened.append({ value: 7 });
      expect((await open(records)).entries).toEqual([...values.slice(0, lines), { value: 7 }]);
    },
  );

  test.prop([entries, fc.nat(), fc.integer({ min: 1, max: 127 })])(
    "with any one byte changed, it holds nothing that was not appended, and says which lines it removed",
    async (values, position, change) => {
      const records = await written(values);
      const bytes = new TextEncoder().encode(records.get(NAME));
      bytes[position % bytes.length]! ^= change;
      records.set(NAME, new TextDecoder().decode(bytes));
      const warnings: string[] = [];
      const { entries: left } = await open(records, warnings);
      expect(left.length).toBeGreaterThanOrEqual(values.length - 2);
      const kept = values.filter((value) => left.some((entry) => entry.value === value.value));
      for (const entry of left) expect(kept).toContainEqual(entry);
      if (left.length < values.length) expect(warnings).not.toEqual([]);
      const again: string[] = [];
      expect((await open(records, again)).entries).toEqual(left);
      expect(again).toEqual([]);
    },
  );

  test.each([
    ["no JSON", "not json"],
    ["an entry of something else", withChecksum('{"value":"text"}')],
    ["an entry without a checksum", '{"value":2}'],
  ])("a reader names the line that is %s, and a run removes it with a warning", async (_, damage) => {
    const [one, three] = [1, 3].map((value) => withChecksum(JSON.stringify({ value })));
    const records = new Map([[NAME, `${one}\n${damage}\n${three}\n`]]);
    const reading = readJournal({ storage: memoryStorage(records), name: NAME, parse });
    await expect(reading).rejects.toThrow(
      expect.objectContaining({ code: "STUDY_JOURNAL_DAMAGED", message: expect.stringContaining("line 2") }),
    );
    const warnings: string[] = [];
    expect((await open(records, warnings)).entries).toEqual([{ value: 1 }, { value: 3 }]);
    expect(warnings).toEqual([expect.stringMatching(/^journal\.jsonl: removed 1 damaged line \(2: /)]);
    expect(records.get(NAME)).toBe(`${one}\n${three}\n`);
  });

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
    const whole = `${withChecksum('{"value":1}')}\n`;
    const records = new Map([[NAME, `${whole}${withChecksum('{"value":2}')}`]]);
    expect((await open(records)).entries).toEqual([{ value: 1 }]);
    expect(records.get(NAME)).toBe(whole);
  });
});
