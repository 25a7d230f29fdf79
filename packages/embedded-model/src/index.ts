export { embeddedModelUrl, embeddedTasks, embeddedTexts, type EmbeddedTask } from "./files.ts";
