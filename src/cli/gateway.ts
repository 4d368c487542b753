// The program behind each function that is deployed to this machine, put together.
import {classifyFailure} from '../docker/refusal.ts';
import {runGateway} from '../providers/local/gateway/main.ts';

await runGateway(process.argv.slice(2), {explainFailure: classifyFailure});
