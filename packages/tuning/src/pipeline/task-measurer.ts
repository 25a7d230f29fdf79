import type { TaskEvaluator, TaskOutcome } from "@kvtuner/evaluation";
import type { Callbacks } from "../progress.ts";
import { idsOf, planLayers, planOfIds, searchCost, type SearchSpace } from "../space/space.ts";
import type { Journal } from "../storage/journal.ts";
import { planKey, type EvaluationEntry } from "./evaluation-entry.ts";
import { givenUpEntry, givenUpPlans, isMarked } from "./given-up.ts";
import type { Measurer, Place } from "./measurer.ts";
import { needsTask, objectivesOf, type Objective } from "./objectives/objectives.ts";
import { isBeaten, raceRounds, type Racer } from "./race.ts";
import {
  answersByPlan,
  figuresOf,
  firstOf,
  FLOAT,
  NOTHING,
  remember,
  taskEntry,
  type TaskEntry,
} from "./task-entry.ts";

/** Parts of {@link taskMeasurer}. */
export interface TaskMeasurerParts extends Callbacks {
  readonly space: SearchSpace;
  readonly evaluator: () => Promise<TaskEvaluator>;
  readonly journal: Journal<TaskEntry>;
  /** Number of prompts. */
  readonly prompts: number;
  /** If it needs the task, plans that are clearly beaten are dropped; otherwise all are evaluated on all prompts. */
  readonly objective: Objective;
}

/** A plan in progress. */
interface Runner {
  readonly choices: readonly string[];
  readonly layers: ReturnType<typeof planLayers>;
  readonly cost: number;
  /** Prompts evaluated so far in this run; the journal may hold more from an earlier one. */
  answered: number;
  isGivenUp: boolean;
}

/**
 * Evaluates plans on a task's prompts in rounds. After each round, plans that are clearly beaten (see `isBeaten`) are dropped and
 * the others go on, up to the last prompt. Rivals are the plans of this run so far, so a resumed run drops the same ones.
 */
export const taskMeasurer = (parts: TaskMeasurerParts): Measurer => {
  const { space, journal, prompts, objective } = parts;
  const isRace = needsTask(objective);
  const objectives = objectivesOf(objective);
  const answers = answersByPlan(journal.entries);
  const known = new Map<string, EvaluationEntry>();
  const runners = new Map<string, Runner>();
  const answersOf = ({ choices, answered }: Runner): TaskOutcome =>
    firstOf(answers.get(planKey(choices)) ?? NOTHING, answered);
  const conclude = (runner: Runner): void => {
    const float = answers.get(planKey(FLOAT)) ?? NOTHING;
    known.set(planKey(runner.choices), figuresOf(runner.choices, answersOf(runner), float, !runner.isGivenUp));
  };
  const racerOf = (runner: Runner): Racer => ({ ...answersOf(runner), cost: runner.cost });
  return {
    known,
    evaluate: async (plans, place) => {
      const fresh = freshRunners(space, plans, runners);
      for (const end of isRace ? raceRounds(prompts) : [prompts]) {
        const running = fresh.filter(({ isGivenUp }) => !isGivenUp);
        await ask(parts, answers, running, end, { ...place, done: place.done + fresh.length - running.length });
        const rivals = [...runners.values()].filter(({ isGivenUp }) => !isGivenUp).map(racerOf);
        const beaten = end < prompts ? running.filter((runner) => isBeaten(racerOf(runner), rivals, objectives)) : [];
        for (const runner of beaten) await giveUp(journal, runner);
      }
      for (const runner of fresh) conclude(runner);
    },
    recall: async () => {
      const recalled = journalRunners(space, answers, journal).filter(({ choices }) => !runners.has(planKey(choices)));
      const plans = recalled.map((runner) => ({ ...racerOf(runner), choices: runner.choices, runner }));
      const givenUp = isRace ? givenUpPlans(journal.entries, plans, prompts, objectives) : [];
      for (const { runner } of givenUp) await giveUp(journal, runner);
      // A plan in progress is not known yet. The remaining prompts are evaluated when the search proposes it again.
      for (const runner of recalled.filter(({ answered, isGivenUp }) => isGivenUp || answered === prompts)) {
        runners.set(planKey(runner.choices), runner);
        conclude(runner);
      }
    },
  };
};

/** Marks the plan as dropped, in the journal too: a later run may not repeat the race. */
const giveUp = async (journal: Journal<TaskEntry>, runner: Runner): Promise<void> => {
  runner.isGivenUp = true;
  const { choices, answered } = runner;
  if (!isMarked(journal.entries, choices, answered)) await journal.append(givenUpEntry(choices, answered));
};

/** Every plan of a journal, with the prompts that the journal holds. */
const journalRunners = (
  space: SearchSpace,
  answers: ReadonlyMap<string, TaskOutcome>,
  { entries }: Journal<TaskEntry>,
): Runner[] => {
  const plans = new Map(entries.map(({ choices }) => [planKey(choices), choices]));
  plans.delete(planKey(FLOAT));
  return [...plans].map(([key, choices]) => ({
    ...runnerOf(space, planOfIds(space, choices)),
    answered: answers.get(key)?.correct.length ?? 0,
  }));
};

const runnerOf = (space: SearchSpace, plan: readonly number[]): Runner => ({
  choices: idsOf(space, plan),
  layers: planLayers(space, plan),
  cost: searchCost(space, plan),
  answered: 0,
  isGivenUp: false,
});

/** Adds runners for the plans that have none yet, and returns those. */
const freshRunners = (
  space: SearchSpace,
  plans: readonly (readonly number[])[],
  runners: Map<string, Runner>,
): Runner[] =>
  plans.flatMap((plan) => {
    const runner = runnerOf(space, plan);
    const key = planKey(runner.choices);
    if (runners.has(key)) return [];
    runners.set(key, runner);
    return [runner];
  });

/** Evaluates runners on the prompts up to `end`. Each outcome is in the journal before the next plan starts. */
const ask = async (
  { space, evaluator, journal, progress, signal }: TaskMeasurerParts,
  answers: Map<string, TaskOutcome>,
  running: readonly Runner[],
  end: number,
  place: Place,
): Promise<void> => {
  signal?.throwIfAborted();
  const record = async (choices: readonly string[], start: number, outcome: TaskOutcome): Promise<void> => {
    const entry = taskEntry(choices, start, outcome);
    await journal.append(entry);
    remember(answers, entry);
  };
  const lengthOf = (choices: readonly string[]): number => answers.get(planKey(choices))?.correct.length ?? 0;
  const range = (start: number) => ({ start, end, ...(signal && { signal }) });
  const floatStart = lengthOf(FLOAT);
  if (floatStart < end) await record(FLOAT, floatStart, await (await evaluator()).float(range(floatStart)));
  let finished = 0;
  for (const start of new Set(running.map(({ choices }) => lengthOf(choices)))) {
    if (start >= end) continue;
    const missing = running.filter(({ choices }) => lengthOf(choices) === start);
    const onOutcome = async (index: number, outcome: TaskOutcome): Promise<void> => {
      await record(missing[index]!.choices, start, outcome);
      const { done, total } = place;
      progress({ step: "search", done: Math.min(total, done + ++finished), total, note: `up to prompt ${end}` });
      signal?.throwIfAborted();
    };
    await (
      await evaluator()
    ).evaluate(
      missing.map(({ layers }) => layers),
      { ...range(start), assets: space.assets, onOutcome },
    );
  }
  for (const runner of running) runner.answered = end;
};
