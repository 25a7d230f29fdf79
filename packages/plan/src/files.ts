export { parseAssets, serializeAssets } from "./asset-file.ts";
export type { AssetFile, AssetReference } from "./plan-file.ts";
export { assertPlanForModel, parsePlan, planSchema, serializePlan } from "./plan-file.ts";
export { PlanFileError } from "./plan-file-error.ts";
export type { PresetContext } from "./preset-yaml.ts";
export { exportPresetYaml, importPresetYaml, PresetError } from "./preset-yaml.ts";
