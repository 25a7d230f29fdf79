// What every script of a checkout does first.
import { bootstrap } from "./bootstrap.mjs";
import { buildPrograms } from "./build-programs.mjs";

/** Installs and builds what is missing or old; ends the process with a plain message when that fails. */
export const prepare = async () => {
  try {
    await bootstrap();
    await buildPrograms();
  } catch (error) {
    console.error(error.message);
    process.exit(1);
  }
};
