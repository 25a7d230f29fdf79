import type { KernelChoices } from "@kvtuner/backend-webgpu";

/** Stores in this browser which kernels are fastest on its GPU. */
export const browserChoices: KernelChoices = {
  get: (key) => localStorage.getItem(PREFIX + key),
  set: (key, kernels) => localStorage.setItem(PREFIX + key, kernels),
};

const PREFIX = "kvtuner kernels: ";
