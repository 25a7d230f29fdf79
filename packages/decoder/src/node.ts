export type { FileSource } from "./gguf/file-source.ts";
export { openFileSource } from "./gguf/file-source.ts";
