export type { ExportedFolder } from "./exported/exported-folder.ts";
export { isExportedFolder, openExportedFolder } from "./exported/exported-folder.ts";
export type { FileSource } from "./gguf/file-source.ts";
export { openFileSource } from "./gguf/file-source.ts";
export { openGgufFile } from "./gguf/open-gguf-file.ts";
export { SEGMENT_FORMAT, segmentFolder } from "./segments/segment-folder.ts";
export { partNames } from "./gguf/split-gguf.ts";
