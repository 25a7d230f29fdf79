import type { BaseSequencer } from "vitest/node";

export declare class SlowFilesFirst extends BaseSequencer {}
