import { formatBytes, type PlanSize } from "@kvtuner/plan";
import type { RetrievalResult, TaskComparison, TaskResult, TextResult } from "@kvtuner/tuning";
import { plainTable } from "../plain-table.ts";

/** A figure of plans: its name, and each plan's value, with its standard error if it has one. */
type Row<Result> = readonly [title: string, value: (result: Result) => string];

/** Loss and cost of plans on a text, one plan per column. */
export const textSummary = (results: readonly (TextResult & { plan: string })[], context: number): string =>
  columns(results, [
    ["KL, nats a token", ({ kl, klStandardError }) => withError(kl.toPrecision(4), klStandardError.toPrecision(2))],
    ["top-1 agreement", ({ top1, top1StandardError }) => withError(top1.toFixed(4), top1StandardError.toPrecision(2))],
    [
      "perplexity",
      ({ perplexity, perplexityStandardError }) =>
        withError(perplexity.toFixed(4), perplexityStandardError.toPrecision(2)),
    ],
    ["with the float cache", ({ basePerplexity }) => basePerplexity.toFixed(4)],
    ["tokens scored", ({ tokens }) => String(tokens)],
    ...costRows(context),
  ]);

/** Accuracy and cost of plans, one plan per column. With several files, each file's accuracy comes first. */
export const taskSummary = (results: readonly (TaskResult & { plan: string })[], context: number): string =>
  columns(results, [
    ...fileRows(results[0]?.tasks ?? []),
    ["accuracy", accuracy],
    ["with the float cache", (result) => percent(result.floatAccuracy, result.floatAccuracyStandardError)],
    ["difference", (result) => percent(result.difference, result.standardError)],
    ["only the plan is right", ({ gained }) => String(gained)],
    ["only the float cache is right", ({ lost }) => String(lost)],
    ["McNemar's p", ({ pValue }) => pValue.toPrecision(3)],
    [
      "KL on the answers, nats a token",
      ({ kl, klStandardError }) => withError(kl.toPrecision(4), klStandardError.toPrecision(2)),
    ],
    ["prompts", ({ prompts }) => String(prompts)],
    ...costRows(context),
  ]);

/** Accuracy of plans by kind, length and depth, one plan per table and one depth per column; then the figures of all cells. */
export const retrievalSummary = (
  results: readonly (RetrievalResult & { readonly plan: string })[],
  context: number,
): string => {
  const [{ cells } = { cells: [] }] = results;
  const float = cells.map((cell) => ({ ...cell, accuracy: cell.floatAccuracy }));
  const tables = [{ plan: "float cache", cells: float }, ...results].map(depthTable);
  const totals = results.map((result) => ({ ...result, tasks: [] }));
  return [...tables, taskSummary(totals, context)].join("\n");
};

const depthTable = ({ plan, cells }: Pick<RetrievalResult, "cells"> & { readonly plan: string }): string => {
  const depths = [...new Set(cells.map(({ depth }) => depth))];
  const titleOf = ({ kind, tokens }: RetrievalResult["cells"][number]): string => `${kind}, ${tokens} tokens`;
  const rows = [...new Set(cells.map(titleOf))].map((title) => [
    title,
    ...cells.filter((cell) => titleOf(cell) === title).map(({ accuracy: share }) => (100 * share).toFixed(0)),
  ]);
  const head = [`${plan}: right, %`, ...depths.map((depth) => `at ${Math.round(100 * depth)}%`)];
  return `${plainTable(head, rows)}\n`;
};

const fileRows = (tasks: TaskResult["tasks"]): Row<TaskResult>[] =>
  tasks.length < 2
    ? []
    : tasks.map(({ task, floatAccuracy, prompts }, file) => [
        `${task} (${prompts}; float cache ${(100 * floatAccuracy).toFixed(1)})`,
        (result) => {
          const one = result.tasks[file];
          return one === undefined ? "" : accuracy(one);
        },
      ]);

const accuracy = (result: TaskComparison): string => percent(result.accuracy, result.accuracyStandardError);

const percent = (share: number, standardError: number): string =>
  `${withError((100 * share).toFixed(1), (100 * standardError).toFixed(1))} %`;

const withError = (value: string, standardError: string): string => `${value} +- ${standardError}`;

const costRows = (context: number): Row<PlanSize>[] => [
  [`true bits at ${context}`, ({ bits }) => bits.toFixed(3)],
  ["equivalent bits", ({ equivalentBits }) => equivalentBits.toFixed(3)],
  [`bytes at ${context}`, ({ bytes }) => formatBytes(bytes)],
];

const columns = <Result extends { readonly plan: string }>(
  results: readonly Result[],
  rows: readonly Row<Result>[],
): string =>
  `${plainTable(
    ["plan", ...results.map(({ plan }) => plan)],
    rows.map(([title, value]) => [title, ...results.map(value)]),
  )}\n`;
