export { assertPlanFits, parsePlan, PlanFileError, planSchema, serializePlan } from "./plan-file.ts";
export type { PresetContext } from "./preset-yaml.ts";
export { exportPresetYaml, importPresetYaml, PresetError } from "./preset-yaml.ts";
