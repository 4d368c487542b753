import type {Op} from '../../../core/driver.ts';
import {nameOf, unless} from '../calls/errors.ts';
import {aliasOf, type MakeOp} from './arguments.ts';

/** The URL of an alias, and who may call it. */
export const urlOps = (op: MakeOp): {readonly [name: string]: Op} => ({
  'lambda:CreateFunctionUrlConfig': op(async (job) => {
    const {text, how} = job;
    const which = {FunctionName: text('name'), Qualifier: aliasOf(job.args)};
    const AuthType = text('authType') as 'AWS_IAM' | 'NONE';
    const about = `${text('name')}:${aliasOf(job.args)}`;
    const lambda = await job.aws.lambda();
    try {
      const {FunctionUrl = ''} = await job.ask('lambda:CreateFunctionUrlConfig', about, () =>
        lambda.createFunctionUrlConfig({...which, AuthType}, how),
      );
      return {url: FunctionUrl};
    } catch (error) {
      if (nameOf(error) !== 'ResourceConflictException') throw error;
      const found = await job.askFor('lambda:GetFunctionUrlConfig', about, () =>
        lambda.getFunctionUrlConfig(which, how),
      );
      if (found?.AuthType !== AuthType) throw error;
      return {url: found.FunctionUrl ?? ''};
    }
  }),

  'lambda:UpdateFunctionUrlConfig': op(async (job) => {
    const {text, how} = job;
    const lambda = await job.aws.lambda();
    const {FunctionUrl = ''} = await job.ask(
      'lambda:UpdateFunctionUrlConfig',
      `${text('name')}:${aliasOf(job.args)}`,
      () =>
        lambda.updateFunctionUrlConfig(
          {
            FunctionName: text('name'),
            Qualifier: aliasOf(job.args),
            AuthType: text('authType') as 'AWS_IAM' | 'NONE',
          },
          how,
        ),
    );
    return {url: FunctionUrl};
  }),

  'lambda:DeleteFunctionUrlConfig': op(async (job) => {
    const {text, how} = job;
    const lambda = await job.aws.lambda();
    await job.askFor('lambda:DeleteFunctionUrlConfig', `${text('name')}:${aliasOf(job.args)}`, () =>
      lambda.deleteFunctionUrlConfig({FunctionName: text('name'), Qualifier: aliasOf(job.args)}, how),
    );
  }),

  'lambda:AddPermission': op(async (job) => {
    const {text, args, how} = job;
    const lambda = await job.aws.lambda();
    const permission = args['permission'] as {
      readonly Action: string;
      readonly Principal: string;
      readonly FunctionUrlAuthType?: 'AWS_IAM' | 'NONE';
      readonly InvokedViaFunctionUrl?: boolean;
      readonly SourceArn?: string;
      readonly SourceAccount?: string;
    };
    await unless(['ResourceConflictException'], () =>
      job.ask('lambda:AddPermission', `${text('name')}:${aliasOf(job.args)}`, () =>
        lambda.addPermission(
          {FunctionName: text('name'), Qualifier: aliasOf(job.args), StatementId: text('sid'), ...permission},
          how,
        ),
      ),
    );
  }),

  'lambda:RemovePermission': op(async (job) => {
    const {text, how} = job;
    const lambda = await job.aws.lambda();
    await job.askFor('lambda:RemovePermission', `${text('name')}:${aliasOf(job.args)}`, () =>
      lambda.removePermission(
        {FunctionName: text('name'), Qualifier: aliasOf(job.args), StatementId: text('sid')},
        how,
      ),
    );
  }),
});
