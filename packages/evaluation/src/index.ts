export type { EvaluateOptions, Evaluator, EvaluatorOptions } from "./evaluator.ts";
export { createEvaluator, EvaluationError } from "./evaluator.ts";
export { planLogits } from "./plan-logits.ts";
export type { RuntimeAttention, RuntimeOptions } from "./runtime-residuals.ts";
export type { Score } from "./score.ts";
export { trace } from "./trace.ts";
export type { WindowTensors } from "./window-attention.ts";
export { cutWindows } from "./windows.ts";
