// npm run -s driver-on-cpu: compiles the driver on the CPU that the tests run kernels with, and prints the folder where it is called
// libcuda.so.1, for LD_LIBRARY_PATH. Needs g++. It shows whether results are right; how long it takes says nothing of a GPU.
import { driverFolder } from "../src/test-support/compile-driver.ts";

console.log(driverFolder());
