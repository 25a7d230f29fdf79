export { advise } from "./advise.ts";
export type { AdviceResult } from "./advise.ts";
export { bench } from "./bench.ts";
export type { BenchResult } from "./bench.ts";
export { benchText } from "./bench-text.ts";
export { calibrate } from "./calibrate.ts";
export type { CalibrateResult } from "./calibrate.ts";
export { compare } from "./compare.ts";
export type { CompareResult } from "./compare.ts";
export { evaluate, evaluateTask, openPlanScorer, openRetrievalScorer, openTaskScorer } from "./evaluate.ts";
export type { EvaluateOptions, EvaluateTaskOptions, GivenPlanScorer } from "./evaluate.ts";
export { exportTo } from "./export.ts";
export type { ExportResult } from "./export-result.ts";
export { inspect } from "./inspect.ts";
export type { InspectOptions, InspectResult, ModelReport, PlanReport, StudyReport } from "./inspect.ts";
export type { LayerRun } from "./layer-runs.ts";
export type { OpenOptions } from "./model/open.ts";
export { openModel } from "./model/open.ts";
export { resolveModel } from "./model/resolve.ts";
export type { ModelAccess, ResolvedModel } from "./model/resolve.ts";
export type {
  AdviseOptions,
  BenchOptions,
  CalibrationOptions,
  CompareOptions,
  EvaluateSettings,
  EvaluateRetrievalSettings,
  EvaluateTaskSettings,
  ExportOptions,
  GenerationOptions,
  OpenPeer,
  PeerParts,
  RunnerOptions,
  TuneOptions,
} from "./options.ts";
export { report } from "./report.ts";
export type { ReportOptions, ReportResult } from "./report.ts";
export { run } from "./run.ts";
export type { RunOptions } from "./run.ts";
export { openRunner } from "./run/runner.ts";
export type { Runner, RunResult } from "./run/runner.ts";
export { tune } from "./tune.ts";
export type { TuneResult } from "./tune.ts";
export { syntheticNumbers, syntheticSnapshot } from "@kvtuner/evaluation/bench";
export type { Variant } from "@kvtuner/evaluation/bench";
export { pickPlan } from "@kvtuner/tuning";
export type {
  FrontPlan,
  Limit,
  Progress,
  Callbacks,
  RetrievalResult,
  TaskResult,
  TextResult,
  TunableModel,
} from "@kvtuner/tuning";
