// `npm run check`: everything that can be judged without running BigO. Never changes a file.
import { runChecks } from './check/run.ts';

const { failed, seconds } = await runChecks(text => console.log(text));
console.log(`${failed === 0 ? 'all checks passed' : `${failed} checks failed`} in ${seconds.toFixed(1)} s`);
process.exitCode = failed === 0 ? 0 : 1;
