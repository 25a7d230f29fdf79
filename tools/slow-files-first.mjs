// Orders test files: whole programs and real models first, so that no slow file is left to a single worker at the end. The
// rest keeps vitest's order.
import { BaseSequencer } from "vitest/node";

const isSlow = ({ moduleId }) => /\/apps\/[^/]+\/test\//.test(moduleId);

export class SlowFilesFirst extends BaseSequencer {
  async sort(files) {
    const sorted = await super.sort(files);
    return [...sorted.filter(isSlow), ...sorted.filter((file) => !isSlow(file))];
  }
}
