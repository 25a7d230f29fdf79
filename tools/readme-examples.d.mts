import type { Plugin } from "vite";

export declare const readmeExamples: () => Plugin;
