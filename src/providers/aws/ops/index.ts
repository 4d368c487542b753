import type {Op} from '../../../core/driver.ts';
import type {OpenAws} from '../calls/clients.ts';
import {createMakeOp} from './arguments.ts';
import {codeOps} from './code.ts';
import {ecrOps} from './ecr.ts';
import {functionOps} from './function.ts';
import {iamOps} from './iam.ts';
import {logsOps} from './logs.ts';
import {scalingOps} from './scaling.ts';
import {triggerOps} from './triggers.ts';
import {urlOps} from './url.ts';
import {versionOps} from './versions.ts';

/** The only code of this driver that writes. Each op leaves alone what is already as it shall be. */
export function createOps(openAws: OpenAws): {readonly [name: string]: Op} {
  const op = createMakeOp(openAws);
  return {
    ...logsOps(op),
    ...iamOps(op),
    ...ecrOps(op),
    ...codeOps(op),
    ...functionOps(op),
    ...versionOps(op),
    ...urlOps(op),
    ...scalingOps(op),
    ...triggerOps(op),
  };
}
