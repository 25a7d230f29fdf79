export type { HubModel, HubOptions } from "./fetch-model.ts";
export { fetchHubModel } from "./fetch-model.ts";
export { HubError } from "./hub-error.ts";
export { isHubName } from "./hub-name.ts";
