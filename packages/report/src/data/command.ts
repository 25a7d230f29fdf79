import {
  commandOptions,
  limitOption,
  STUDY_OPTIONS,
  TASK_OPTIONS,
  type StudyRequest,
  type StudySettings,
} from "@kvtuner/tuning";

/** Placeholders for what a study does not record. */
const MODEL = "MODEL.gguf";
const TEXT = "TEXT.txt";
const TASK = "TASK.jsonl";

/** The command that repeats this study, one option per line, for a POSIX shell. */
export const tuneCommandLines = (settings: StudySettings, request: StudyRequest | undefined): string =>
  [
    `kvtuner tune ${quote(request?.model ?? MODEL)}`,
    ...optionsOf(settings, request).map(([name, value]) => (value === "" ? `--${name}` : `--${name} ${quote(value)}`)),
  ].join(" \\\n  ");

const optionsOf = (settings: StudySettings, request: StudyRequest | undefined): [string, string][] => [
  ...commandOptions(STUDY_OPTIONS, settings),
  ...taskOptions(settings, request),
  ...(settings.text === "self" || settings.text === "task"
    ? []
    : [["text", request?.text ?? TEXT] as [string, string]]),
  ...(request === undefined ? focusOption(settings) : limitOption(request.limit)),
  ["out", request?.out ?? "STUDY"],
];

const taskOptions = ({ task }: StudySettings, request: StudyRequest | undefined): [string, string][] => {
  if (task === undefined) return [];
  const shotsFrom = task.shotsFrom === "self" ? undefined : (request?.shotsFrom ?? TASK);
  return [
    ["task", request?.task?.join() ?? TASK],
    ...commandOptions(TASK_OPTIONS, { ...task, prompts: request?.prompts, shotsFrom }),
  ];
};

/** Without a request, uses the bytes that the search aimed at. */
const focusOption = ({ focus }: StudySettings): [string, string][] =>
  focus === null ? [] : [["budget", String(focus)]];

const quote = (text: string): string =>
  /^[\w./:=,+@-]+$/.test(text) ? text : `'${text.replaceAll("'", String.raw`'\''`)}'`;
