import { describe, expect, test } from "vitest";
import { commandOptions, fillOptions } from "./option-table.ts";
import { STUDY_OPTIONS, studyOptions } from "./study/options.ts";
import { TASK_OPTIONS } from "./tasks/task-options.ts";

describe("a table of options", () => {
  test("fills in defaults, leaves out what has none, and ignores what is not in it", () => {
    const given = { shots: 3, shotsFrom: "more.jsonl", model: "other" };
    expect(fillOptions(TASK_OPTIONS, given)).toEqual({
      shots: 3,
      shotsFrom: "more.jsonl",
      maxTokens: 256,
      likelihood: "sum",
    });
  });

  test.each([
    [{ samples: 0 }, "OPTION_INVALID", "--samples"],
    [{ sampleLength: 1.5 }, "OPTION_INVALID", "--sample-length"],
    [{ mode: "sideways" }, "OPTION_INVALID", '"sideways"'],
    [{ pairs: [] }, "OPTION_INVALID", "--pairs"],
    [{ objective: "task" }, "OPTION_INVALID", "--task"],
    [{ windows: 2 }, "OPTION_RENAMED", "--samples"],
    [{ windowLength: 64 }, "OPTION_RENAMED", "--sample-length"],
  ])("rejects %j", (choices, code, word) => {
    expect(() => studyOptions(choices as never)).toThrow(
      expect.objectContaining({ code, message: expect.stringContaining(word) }),
    );
  });

  test("gives every option that is set as a command line does", () => {
    const settings = { ...studyOptions({ pairs: ["K8V4"] }), pairs: ["K8V4", "K4V4"] };
    const printed = commandOptions(STUDY_OPTIONS, settings);
    expect(printed).toContainEqual(["pairs", "K8V4,K4V4"]);
    expect(printed).toContainEqual(["sample-length", "512"]);
    expect(commandOptions(TASK_OPTIONS, { chat: true, shotsFrom: undefined })).toEqual([["chat", ""]]);
  });
});
