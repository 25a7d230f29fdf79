// npm run -s driver-on-cpu: compiles the CPU driver of the tests and prints a folder with it as libcuda.so.1, for
// LD_LIBRARY_PATH. Needs g++. Its results are meaningful, its timings are not.
import { driverFolder } from "../src/test-support/compile-driver.ts";

console.log(driverFolder());
