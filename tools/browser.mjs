// A Chromium for the tests that run in a browser: KVTUNER_CHROMIUM, or one that is installed.
import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";

const NAMES = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];

const isExecutable = (path) => {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
};

/** Path of the browser, or undefined. */
export const findChromium = () => {
  const folders = (process.env.PATH ?? "").split(delimiter);
  const candidates = folders.flatMap((folder) => NAMES.map((name) => join(folder, name)));
  return process.env.KVTUNER_CHROMIUM ?? candidates.find(isExecutable);
};
