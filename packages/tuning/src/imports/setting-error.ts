import { KvtunerError } from "@kvtuner/plan";

/** A setting of another runtime that cannot be read as a plan. */
export class SettingError extends KvtunerError {
  override readonly name = "SettingError";

  constructor(message: string, options?: { readonly cause?: unknown }) {
    super("SETTING_INVALID", message, options);
  }
}
