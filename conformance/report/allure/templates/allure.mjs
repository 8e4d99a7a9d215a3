// Makes Allure's report as `allure generate` does, and holds the results to the quality gate of the configuration
// first, which by itself only `allure run` does. Arguments: the core library, the configuration, and the results.
import { dirname } from "node:path";
import { pathToFileURL } from "node:url";

if (Number.parseInt(process.versions.node, 10) < 20) {
  console.error(`Node.js ${process.versions.node} is too old; install 20 or later`);
  process.exit(1);
}
const [core, configuration, results] = process.argv.slice(2);
const iterators = Object.getPrototypeOf(Object.getPrototypeOf([].values()));
iterators.toArray ??= function () { return [...this]; }; // Node.js 20 lacks it, and the quality gate needs it

const { AllureReport, readConfig } = await import(pathToFileURL(core).href);
const report = new AllureReport(await readConfig(dirname(results), configuration));
await report.start();
await report.readDirectory(results);
const judged = await report.validate({ trs: await report.store.allTestResults({ includeRetries: false }) });
report.realtimeDispatcher.sendQualityGateResults(judged.results);
await report.done();
