// The order of test files: whole programs and real models first, for what takes minutes must not be left for the end, when
// only one worker has something to do. The rest as vitest has it.
import { BaseSequencer } from "vitest/node";

const isSlow = ({ moduleId }) => /\/apps\/[^/]+\/test\//.test(moduleId);

export class SlowFilesFirst extends BaseSequencer {
  async sort(files) {
    const sorted = await super.sort(files);
    return [...sorted.filter(isSlow), ...sorted.filter((file) => !isSlow(file))];
  }
}
