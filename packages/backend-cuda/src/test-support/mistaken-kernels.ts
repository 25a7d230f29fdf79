import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect } from "vitest";
import { kernelFolder } from "../kernel-folder.ts";

/** Copies of the kernels with deliberate mistakes. */
export interface MistakenKernels {
  /** Folder of a copy that has `wrong` in place of the one `right`. */
  make(file: string, right: string, wrong: string): string;
  remove(): void;
}

/** Works in a temporary folder until `remove()`. */
export const createMistakenKernels = (): MistakenKernels => {
  const folder = mkdtempSync(join(tmpdir(), "kvtuner-kernels-"));
  let copies = 0;
  return {
    make: (file, right, wrong) => {
      const copy = join(folder, String(copies++));
      cpSync(fileURLToPath(kernelFolder), copy, { recursive: true });
      const source = readFileSync(join(copy, file), "utf8");
      expect(source.split(right), `${file} must have this once: ${right}`).toHaveLength(2);
      writeFileSync(join(copy, file), source.replace(right, wrong));
      return copy;
    },
    remove: () => rmSync(folder, { recursive: true }),
  };
};
