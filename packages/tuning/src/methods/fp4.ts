import { blockFormatScheme } from "@kvtuner/plan";
import { uniformSetting, type Method } from "./method.ts";

const setting = (format: "nvfp4" | "mxfp4") => {
  const scheme = blockFormatScheme(format);
  return uniformSetting(format, { key: scheme, value: scheme, residency: { kind: "prefix", sinks: 0, recent: 0 } });
};

/** 4-bit floats in groups of 16 with e4m3 scales and a tensor scale of 1, or of 32 with powers of two. */
export const fp4Method: Method = {
  name: "fp4",
  title: "NVFP4 and MXFP4",
  source: "https://www.opencompute.org/documents/ocp-microscaling-formats-mx-v1-0-spec-final-pdf",
  settings: [setting("nvfp4"), setting("mxfp4")],
};
