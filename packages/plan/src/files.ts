export { parseAssets, serializeAssets } from "./asset-file.ts";
export type { AssetFile } from "./plan-file.ts";
export { assertPlanForModel, parsePlan, planSchema, serializePlan } from "./plan-file.ts";
export { PlanFileError } from "./plan-file-error.ts";
export { exportPresetYaml, importPresetYaml, PresetError } from "./preset-yaml.ts";
