export type { FileSource } from "./gguf/file-source.ts";
export { openFileSource } from "./gguf/file-source.ts";
export { openGgufFile } from "./gguf/open-gguf-file.ts";
export { segmentFolder } from "./segments/segment-folder.ts";
export { partNames } from "./gguf/split-gguf.ts";
