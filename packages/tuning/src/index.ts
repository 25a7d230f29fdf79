export { adviseModel } from "./advice/advise-model.ts";
export type { Advice } from "./advice/advise-model.ts";
export { RUNTIMES } from "./advice/runtimes.ts";
export { assertOwnTextIsSampled, ownText } from "./calibration/own-text.ts";
export type { OwnText, OwnTextOptions } from "./calibration/own-text.ts";
export { CALIBRATION_PROMPTS } from "./calibration/prompts.ts";
export { encodeEnough, textSamples } from "./calibration/samples.ts";
export { compareModel } from "./comparison/compare-model.ts";
export type { ComparisonHooks } from "./comparison/compare-model.ts";
export { COMPARISON_OPTIONS, TUNED } from "./comparison/options.ts";
export { COMPARISON_FILES, isComparedPlan, readComparison } from "./comparison/record.ts";
export type { Comparison, ComparisonRow } from "./comparison/record.ts";
export { assertTextsAreSampled } from "./comparison/samples.ts";
export { calibrateTransform } from "./calibration/transform/calibrate-transform.ts";
export { exportPlan, EXPORT_TARGETS } from "./exports/export-targets.ts";
export type { ExportedPlan, ExportTarget } from "./exports/export-targets.ts";
export { importPlan, isSetting } from "./imports/import-plan.ts";
export { describeDifficulty, difficultyFinding } from "./difficulty/describe-difficulty.ts";
export { modelDifficulty } from "./difficulty/model-difficulty.ts";
export type { ModelDifficulty } from "./difficulty/model-difficulty.ts";
export {
  choiceOption,
  commandOptions,
  fillOptions,
  flagName,
  flagOption,
  numberOption,
  OptionRenamedError,
  RENAMED_OPTIONS,
  seedOption,
  textOption,
  wholeOption,
} from "./option-table.ts";
export type { Filled, Given, Option, OptionKind, OptionTable } from "./option-table.ts";
export { oneOf, OptionError, wholeNumber } from "./option-values.ts";
export type { EvaluationEntry, TaskFigures } from "./pipeline/evaluation-entry.ts";
export type { Groups } from "./pipeline/group.ts";
export { CALIBRATE_OPTIONS, calibrateModel } from "./calibrate-model.ts";
export type { CalibratedPlan } from "./calibrate-model.ts";
export { isCalibrated } from "./methods/method.ts";
export type { Calibration, CodedLayers, Method, MethodSetting } from "./methods/method.ts";
export { METHODS } from "./methods/registry.ts";
export { makeFront, pickPlan } from "./pipeline/pick.ts";
export type { FrontPlan } from "./pipeline/pick.ts";
export { countPasses } from "./pipeline/forward-passes.ts";
export type { PassCounts } from "./pipeline/forward-passes.ts";
export { isEstimated, lossTable } from "./pipeline/profile.ts";
export type { Candidates } from "./pipeline/prune.ts";
export { STRATEGIES } from "./pipeline/search.ts";
export type { Strategy } from "./pipeline/search.ts";
export type { Verification } from "./pipeline/verify.ts";
export { PlanUnreadableError } from "./plan-file-error.ts";
export { callbacksOf, warnOnce } from "./progress.ts";
export type { Callbacks, OnProgress, Progress, Step } from "./progress.ts";
export { exactBytes } from "./limits/bytes.ts";
export { BudgetUnmetError, describeLimit, LIMIT_OPTIONS, limitOf, limitOption } from "./limits/limits.ts";
export type { Limit } from "./limits/limits.ts";
export { needsTask } from "./pipeline/objectives/objectives.ts";
export { choiceIdsOf } from "./space/choice-ids.ts";
export { bitsOfBytes, labelsOf, planCost, planLayers, planOfIds, searchSpace, uniformPlan } from "./space/space.ts";
export type { PlanCost, SearchSpace } from "./space/space.ts";
export type { PlanScorer } from "./scoring/plan-scorer.ts";
export type { RetrievalResult } from "./scoring/retrieval-scorer.ts";
export { RETRIEVAL_OPTIONS, retrievalScorer } from "./scoring/retrieval-scorer.ts";
export { taskScorer } from "./scoring/task-scorer.ts";
export type { TaskComparison, TaskFileResult, TaskResult } from "./scoring/task-scorer.ts";
export { textScorer } from "./scoring/text-scorer.ts";
export type { TextResult, TextScorerOptions } from "./scoring/text-scorer.ts";
export { DRAWS } from "./pipeline/gradient/estimate-layers.ts";
export { isKeptGradients } from "./pipeline/gradient/kept-gradients.ts";
export { channelRanges } from "./runtimes/channel-ranges.ts";
export { stopwatch } from "./stopwatch.ts";
export type { Stopwatch } from "./stopwatch.ts";
export { thenDispose } from "./then-dispose.ts";
export { withChecksum } from "./storage/checksum.ts";
export { reasonOf, systemReason } from "./storage/reason.ts";
export { memoryStorage } from "./storage/memory-storage.ts";
export type { StudyStorage } from "./storage/storage.ts";
export { isFitted, searchedCodecs } from "./study/codecs.ts";
export { readCodings } from "./study/codings.ts";
export type { Target } from "./study/storable.ts";
export { DEFAULT_PAIRS, STUDY_OPTIONS, studyOptions } from "./study/options.ts";
export type { StudyOptions } from "./study/options.ts";
export { readStudy } from "./study/read-study.ts";
export type { StudyContents } from "./study/read-study.ts";
export type { StudyRequest } from "./study/request.ts";
export type { StudyResult } from "./study/run-study.ts";
export { readSettings, spaceOf } from "./study/settings.ts";
export type { StudySettings } from "./study/settings.ts";
export { openStudy, readStep, STUDY_FILES } from "./study/study.ts";
export type { Study } from "./study/study.ts";
export { tuneModel } from "./study/tune-model.ts";
export type { Tuning, TuningHooks } from "./study/tune-model.ts";
export { openTask } from "./tasks/open-task.ts";
export type { ReadTask, TaskFile, TaskSettings } from "./tasks/open-task.ts";
export type { TunableModel } from "./tunable-model.ts";
export { TASK_OPTIONS } from "./tasks/task-options.ts";
