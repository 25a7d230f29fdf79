import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { encodeTask, type TaskModel } from "./encode-task.ts";
import { lastNumber } from "./numbers.ts";
import { sequencesOf } from "./sequence.ts";
import { parseTask } from "./task-file.ts";

const shared = process.env["KVTUNER_SHARED"];
const gsm8k = join(shared ?? "", "data", "gsm8k_200.jsonl");
const line = (value: unknown): string => `${JSON.stringify(value)}\n`;
const fine = line({ prompt: "1+1=", answer: "2", compare: "exact" });

test("reads each comparison, and GSM8K's lines as they are", () => {
  const choice = { prompt: "The sky is", answer: " blue", compare: "choice", choices: [" blue", " green"], stop: "." };
  const question = { question: "How many?", answer: "2*3=<<2*3=6>>6\n#### 1,006" };
  expect(parseTask(`${fine}\n${line(choice)}${line(question)}`)).toEqual([
    { prompt: "1+1=", answer: "2", compare: "exact", line: 1 },
    { ...choice, line: 3 },
    {
      prompt: "Question: How many?\nAnswer:",
      answer: "1,006",
      worked: " 2*3=<<2*3=6>>6\n#### 1,006",
      compare: "number",
      stop: "Question:",
      line: 4,
    },
  ]);
});

test("a line with a prompt uses it, not its question", () => {
  const both = { prompt: "cpy abcd:", question: "1+1?", answer: "#### 42", compare: "exact" };
  const { question: _, ...asked } = both;
  expect(parseTask(line(both))).toEqual([{ ...asked, line: 1 }]);
});

test("line ends after a GSM8K answer do not matter", () => {
  const question = { question: "How many?", answer: "Two.\n#### 2" };
  for (const end of ["\n", "\r\n", " \n\n"])
    expect(parseTask(line({ ...question, answer: question.answer + end }))).toEqual(parseTask(line(question)));
});

test("a byte order mark and line ends of Windows do not matter", () => {
  expect(parseTask(`\uFEFF${fine}${fine}`.replaceAll("\n", "\r\n"))).toEqual(parseTask(fine + fine));
});

describe("rejects, naming the line and what was expected,", () => {
  test.each([
    ["half a line", '{"prompt": "a", "ans', /line 2 is not JSON \(\w.*\)/],
    ["a list", "[1]", /line 2 .*expected object/],
    ["no answer", line({ prompt: "a", compare: "exact" }), /line 2 has at answer: .*expected string/],
    ["an empty prompt", line({ prompt: "", answer: "b", compare: "exact" }), /line 2 has at prompt/],
    [
      "an unknown comparison",
      line({ prompt: "a", answer: "b", compare: "fuzzy" }),
      /line 2 has at compare: .*"exact".*got "fuzzy"/,
    ],
    ["no comparison", line({ prompt: "a", answer: "b" }), /line 2 has at compare: .*"exact".*got none/],
    [
      "a choice twice",
      line({ prompt: "a", answer: "b", compare: "choice", choices: ["c", "b", "c"] }),
      /choices: expected different choices/,
    ],
    [
      "choices without the answer",
      line({ prompt: "a", answer: "b", compare: "choice", choices: ["c", "d"] }),
      /choices/,
    ],
    ["no choices", line({ prompt: "a", answer: "b", compare: "choice" }), /choices: expected two or more/],
    ["no number", line({ prompt: "a", answer: "many", compare: "number" }), /answer: expected a number/],
    ["a stop within the answer", line({ prompt: "a", answer: "b;c", compare: "exact", stop: ";" }), /at stop/],
    ["a GSM8K answer without its last line", line({ question: "a", answer: "so 42" }), /like #### 42/],
  ])("%s", (_, bad, words) => {
    const error = expect.objectContaining({ code: "TASK_LINE", message: expect.stringMatching(words) });
    expect(() => parseTask(fine + bad, "task.jsonl")).toThrow(error);
    expect(() => parseTask(fine + bad, "task.jsonl")).toThrow(/task\.jsonl/);
  });

  test("an empty task", () => {
    expect(() => parseTask("\n \n")).toThrow(expect.objectContaining({ code: "TASK_EMPTY" }));
  });
});

test.each([
  ["It is 5-3 = 2.", "2"],
  ["so 5-3", "3"],
  ["about -$1,234.50!", "-1234.5"],
  ["x = \u22127", "-7"],
  ["007", "7"],
  ["-0.0", "0"],
  ["1, 2, 3", "3"],
  ["1,23", "23"],
  ["$18", "18"],
  ["12345678901234567890.10", "12345678901234567890.1"],
  ["half is .5", "0.5"],
  ["none", undefined],
])("the last number of %j is %s", (text, number) => {
  expect(lastNumber(text)).toBe(number);
});

const encode = (text: string): Int32Array => Int32Array.from(text, (character) => character.codePointAt(0)!);

const chatPrompt: TaskModel["tokenizer"]["chatPrompt"] = (messages) =>
  `${messages.map(({ role, content }) => `<${role}>${content}`).join("")}<assistant>`;

const model: TaskModel = {
  tokenizer: {
    encode,
    decode: (ids) => Array.from(ids, (id) => String.fromCodePoint(id)).join(""),
    chatPrompt,
    chatIds: (messages) => encode(chatPrompt(messages)),
    eosIds: [0],
  },
  contextLength: 60,
};

test("a stop follows an answer, and nothing a choice", () => {
  const [answer, choice] = encodeTask(
    parseTask(
      line({ prompt: "q:", answer: " a", compare: "exact", stop: "!?" }) +
        line({ prompt: "q:", answer: " a", compare: "choice", choices: [" a", " b"], stop: "!?" }),
    ),
    model,
    { shots: 0 },
  );
  expect(sequencesOf(answer!).map(({ wanted }) => model.tokenizer.decode(wanted))).toEqual([" a!?"]);
  expect(sequencesOf(choice!).map(({ wanted }) => model.tokenizer.decode(wanted))).toEqual([" a", " b"]);
  expect(choice!.stop).toHaveLength(0);
});

describe("examples", () => {
  const items = parseTask(
    Array.from({ length: 9 }, (_, index) => line({ prompt: `q${index}:`, answer: ` ${index}`, compare: "exact" })).join(
      "",
    ),
  );
  const textOf = ({ ids }: { readonly ids: Int32Array }): string => model.tokenizer.decode(ids);

  test("come after the tokens that start a context; a chat template has its own", () => {
    const begun: TaskModel = { ...model, tokenizer: { ...model.tokenizer, startIds: [1] } };
    for (const shots of [0, 2]) {
      const [plain, expected] = [encodeTask(items, begun, { shots }), encodeTask(items, model, { shots })];
      expect(plain.map(({ ids }) => [...ids])).toEqual(expected.map(({ ids }) => [1, ...ids]));
    }
    const [chat, expected] = [begun, model].map((each) => encodeTask(items, each, { chat: true }));
    expect(chat).toEqual(expected);
  });

  test("are drawn with the seed, the same for all prompts, and not evaluated", () => {
    const asked = encodeTask(items, model, { shots: 3, seed: 5, prompts: 4 });
    expect(asked).toHaveLength(4);
    const heads = asked.map((prompt) => textOf(prompt).split("\n\n").slice(0, -1));
    for (const head of heads) expect(head).toEqual(heads[0]);
    expect(heads[0]).toHaveLength(3);
    for (const example of heads[0]!) {
      expect(example).toMatch(/^q(\d): \1$/);
      expect(asked.map(({ item }) => item.prompt)).not.toContain(example.slice(0, 3));
    }
    expect(encodeTask(items, model, { shots: 3, seed: 5, prompts: 4 })).toEqual(asked);
    const seeds = [5, 6, 7, 8].map((seed) => textOf(encodeTask(items, model, { shots: 3, seed })[0]!));
    expect(new Set(seeds).size).toBeGreaterThan(1);
  });

  test("of another file leave every prompt to evaluate; in a chat they are turns", () => {
    const others = parseTask(line({ prompt: "other", answer: " yes", compare: "exact" }));
    const [first, ...rest] = encodeTask(items, model, { shots: 1, shotsFrom: others, chat: true });
    expect(rest).toHaveLength(8);
    expect(textOf(first!)).toBe("<user>other<assistant>yes<user>q0:<assistant>");
    expect(model.tokenizer.decode(first!.targets[0]!)).toBe("0");
  });

  test("that a chat template drops give one warning", () => {
    const warnings: string[] = [];
    const options = { shots: 1, chat: true, name: "q.jsonl", onWarning: (text: string) => warnings.push(text) };
    encodeTask(items, model, options);
    expect(warnings).toEqual([]);
    const shorter: TaskModel["tokenizer"]["chatPrompt"] = (messages) => `<user>${messages.at(-1)?.content ?? ""}`;
    const forgetful = { ...model, tokenizer: { ...model.tokenizer, chatPrompt: shorter } };
    encodeTask(items, forgetful, { ...options, shots: 0 });
    expect(warnings).toEqual([]);
    encodeTask(items, forgetful, options);
    expect(warnings).toEqual([expect.stringMatching(/chat template drops examples .* q\.jsonl/)]);
  });

  test("of another file that are in the task too are not evaluated, with a warning", () => {
    const warnings: string[] = [];
    const options = { shots: 4, seed: 2, name: "q.jsonl", onWarning: (text: string) => warnings.push(text) };
    const others = parseTask(line({ prompt: "other", answer: " yes", compare: "exact" }));
    const all = parseTask(items.map(({ prompt, answer, compare }) => line({ prompt, answer, compare })).join(""));
    expect(encodeTask(items, model, { ...options, shots: 1, shotsFrom: others })).toHaveLength(9);
    encodeTask(items, model, options);
    expect(warnings).toEqual([]);
    const asked = encodeTask(items, model, { ...options, shotsFrom: all });
    expect(asked).toHaveLength(5);
    for (const { item, ids } of asked)
      expect(model.tokenizer.decode(ids).split(item.prompt), `${item.prompt} is asked once`).toHaveLength(2);
    expect(warnings).toEqual([expect.stringMatching(/4 lines of q\.jsonl with .* skipped, and 5 are evaluated/)]);
    expect(encodeTask(items, model, { ...options, shotsFrom: all, prompts: 3 })).toHaveLength(3);
    expect(() => encodeTask(items.slice(0, 2), model, { ...options, shots: 2, shotsFrom: items.slice(0, 2) })).toThrow(
      expect.objectContaining({ code: "TASK_SHOTS", message: expect.stringMatching(/2 lines that they all show/) }),
    );
  });

  test("exclude lines with the same question, but not those with one prompt and other choices", () => {
    const choice = (...choices: string[]): unknown => ({ prompt: "?", answer: choices[0], compare: "choice", choices });
    const [first, same, other] = [choice("a", "b"), { ...(choice("b", "a") as object), answer: "a" }, choice("c", "d")];
    const [shown, ...task] = parseTask([first, same, other].map(line).join(""));
    const asked = encodeTask(task, model, { shots: 1, shotsFrom: [shown!] });
    expect(asked.map(({ item }) => item.line)).toEqual([3]);
  });

  test("are rejected if there are too few lines", () => {
    for (const bad of [{ shots: 9 }, { shots: 2, shotsFrom: items.slice(0, 1) }])
      expect(() => encodeTask(items, model, bad)).toThrow(expect.objectContaining({ code: "TASK_SHOTS" }));
  });

  test("must fit the context with prompt and answer", () => {
    const long = parseTask(fine + line({ prompt: "a", answer: "b".repeat(60), compare: "exact" }));
    const message = expect.stringMatching(
      /60 tokens, got 61 tokens in line 2 of the task \(prompt 1, answer 60, stop 0\)/,
    );
    expect(() => encodeTask(long, model)).toThrow(expect.objectContaining({ code: "TASK_TOO_LONG", message }));
  });
});

describe("in a chat, whose turns do not start with blanks,", () => {
  const choice = { prompt: "?", answer: "a", compare: "choice" };

  test.each([
    ["choices that differ by them alone", { ...choice, choices: ["b", " a", "a"] }],
    ["a choice of nothing else", { ...choice, choices: ["a", " "] }],
    ["an answer of nothing else", { ...choice, compare: "exact", answer: "\n" }],
  ])("%s are rejected, but evaluated without", (_, bad) => {
    const items = parseTask(fine + line(bad));
    expect(encodeTask(items, model)).toHaveLength(2);
    expect(() => encodeTask(items, model, { chat: true, name: "q.jsonl" })).toThrow(
      expect.objectContaining({
        code: "TASK_LINE",
        message: expect.stringMatching(/line 2 of q\.jsonl.*without chat/),
      }),
    );
  });
});

test.skipIf(!existsSync(gsm8k))("GSM8K's first 200 lines (needs KVTUNER_SHARED)", () => {
  const items = parseTask(readFileSync(gsm8k, "utf8"), gsm8k);
  expect(items).toHaveLength(200);
  expect(items.slice(0, 3).map(({ answer }) => answer)).toEqual(["18", "3", "70000"]);
  for (const { answer, worked } of items) expect(lastNumber(worked ?? "")).toBe(lastNumber(answer));
});
