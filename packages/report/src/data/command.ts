import { limitOption, type StudyRequest, type StudySettings } from "@kvtuner/tuning";

/** Stand in for what a study does not hold. */
const MODEL = "MODEL.gguf";
const TEXT = "TEXT.txt";
const TASK = "TASK.jsonl";

/** The command that makes this study again, one option a line, for a POSIX shell. */
export const tuneCommandLines = (settings: StudySettings, request: StudyRequest | undefined): string =>
  [
    `kvtuner tune ${quote(request?.model ?? MODEL)}`,
    ...optionsOf(settings, request).map(([name, value]) => (value === "" ? `--${name}` : `--${name} ${quote(value)}`)),
  ].join(" \\\n  ");

const optionsOf = (settings: StudySettings, request: StudyRequest | undefined): [string, string][] => [
  ["mode", settings.mode],
  ["pairs", settings.pairs.join(",")],
  ["sinks", String(settings.sinks)],
  ["recent", String(settings.recent)],
  ["context", String(settings.context)],
  ...taskOptions(settings, request),
  ...(settings.text === "self" || settings.text === "task"
    ? []
    : [["text", request?.text ?? TEXT] as [string, string]]),
  ["windows", String(settings.windows)],
  ["window-length", String(settings.windowLength)],
  ["evaluations", String(settings.evaluations)],
  ["seed", String(settings.seed)],
  ["strategy", settings.strategy],
  ["measure", settings.measure],
  ["cost", settings.cost],
  ...(request === undefined ? focusOption(settings) : optionOf(request.limit)),
  ["out", request?.out ?? "STUDY"],
];

const taskOptions = ({ task, objective }: StudySettings, request: StudyRequest | undefined): [string, string][] => {
  if (task === undefined) return [];
  const { shots, shotsFrom, chat, maxTokens, likelihood } = task;
  return [
    ["task", request?.task?.join() ?? TASK],
    ["objective", objective ?? "task"],
    ...(request?.prompts === undefined ? [] : [["prompts", String(request.prompts)] as [string, string]]),
    ["shots", String(shots)],
    ...(shotsFrom === "self" ? [] : [["shots-from", request?.shotsFrom ?? TASK] as [string, string]]),
    ...(chat ? [["chat", ""] as [string, string]] : []),
    ["max-tokens", String(maxTokens)],
    ["likelihood", likelihood],
  ];
};

/** Without a request, the bytes that the search looked near say the most. */
const focusOption = ({ focus }: StudySettings): [string, string][] =>
  focus === null ? [] : [["budget", String(focus)]];

const optionOf = (limit: StudyRequest["limit"]): [string, string][] => {
  const option = limitOption(limit);
  return option === undefined ? [] : [[...option]];
};

const quote = (text: string): string =>
  /^[\w./:=,+-]+$/.test(text) ? text : `'${text.replaceAll("'", String.raw`'\''`)}'`;
