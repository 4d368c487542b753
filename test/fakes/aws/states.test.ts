import * as L from '@aws-sdk/client-lambda';
import {AttachRolePolicyCommand} from '@aws-sdk/client-iam';
import {describe, expect, it} from 'vitest';
import {openForTest, refusal} from './open-for-test.ts';

const CONTROL_ONLY = {runs: false} as const;

describe('a function', () => {
  it('cannot be made with a role that was just made, and is Pending before it is Active', async () => {
    const test = await openForTest(CONTROL_ONLY);
    const Role = await test.newRole();
    const Code = {ImageUri: await test.pushed()};
    const create = () =>
      test.lambda.send(new L.CreateFunctionCommand({FunctionName: 'f', Role, PackageType: 'Image', Code}));
    expect(await refusal(create())).toMatchObject({
      name: 'InvalidParameterValueException',
      message: 'The role defined for the function cannot be assumed by Lambda.',
    });
    await test.pass(9000);
    const made = await create();
    expect([made.State, made.StateReasonCode]).toEqual(['Pending', 'Creating']);
    expect(await refusal(create())).toMatchObject({name: 'ResourceConflictException', status: 409});
    const early = new L.UpdateFunctionConfigurationCommand({FunctionName: 'f', Timeout: 9});
    expect((await refusal(test.lambda.send(early))).message).toContain('state: Pending');
    await test.pass(6000);
    const {Configuration: now} = await test.lambda.send(new L.GetFunctionCommand({FunctionName: 'f'}));
    expect([now?.State, now?.LastUpdateStatus]).toEqual(['Active', 'Successful']);
  });

  it('reads as it was for a moment after a change, is InProgress, and gets yet another revision when it is done', async () => {
    const test = await openForTest(CONTROL_ONLY);
    await test.created();
    const get = async () =>
      test.lambda.send(new L.GetFunctionConfigurationCommand({FunctionName: 'scoring'}));
    const before = await get();
    const change = (Timeout: number) =>
      test.lambda.send(new L.UpdateFunctionConfigurationCommand({FunctionName: 'scoring', Timeout}));
    const updated = await change(9);
    expect([updated.LastUpdateStatus, updated.Timeout]).toEqual(['InProgress', 9]);
    const stale = await get();
    expect([stale.LastUpdateStatus, stale.RevisionId]).toEqual(['Successful', before.RevisionId]);
    expect((await refusal(change(10))).message).toContain('An update is in progress');
    await test.pass(500);
    const during = await get();
    expect([during.LastUpdateStatus, during.RevisionId]).toEqual(['InProgress', updated.RevisionId]);
    await test.pass(3000);
    const after = await get();
    expect([after.LastUpdateStatus, after.Timeout]).toEqual(['Successful', 9]);
    expect(new Set([before.RevisionId, updated.RevisionId, after.RevisionId]).size).toBe(3);
  });

  it('keeps its environment when another setting changes, and refuses a revision that has passed', async () => {
    const test = await openForTest(CONTROL_ONLY);
    const name = await test.created({Environment: {Variables: {LEVEL: 'info'}}});
    const {RevisionId} = await test.lambda.send(new L.GetFunctionConfigurationCommand({FunctionName: name}));
    const change = new L.UpdateFunctionConfigurationCommand({
      FunctionName: name,
      MemorySize: 256,
      RevisionId,
    });
    const changed = await test.lambda.send(change);
    expect([changed.MemorySize, changed.Environment?.Variables]).toEqual([256, {LEVEL: 'info'}]);
    await test.pass(5000);
    expect(await refusal(test.lambda.send(change))).toMatchObject({
      name: 'PreconditionFailedException',
      status: 412,
    });
  });

  it('is told in pages', async () => {
    const test = await openForTest({...CONTROL_ONLY, pageSize: 2});
    const name = await test.created();
    for (const Timeout of [5, 6, 7]) {
      await test.lambda.send(new L.UpdateFunctionConfigurationCommand({FunctionName: name, Timeout}));
      await test.pass(5000);
      await test.published(name);
    }
    const first = await test.lambda.send(new L.ListVersionsByFunctionCommand({FunctionName: name}));
    expect(first.Versions?.map(({Version}) => Version)).toEqual(['$LATEST', '1']);
    const {NextMarker: Marker} = first;
    const second = await test.lambda.send(new L.ListVersionsByFunctionCommand({FunctionName: name, Marker}));
    expect(second.Versions?.map(({Version}) => Version)).toEqual(['2', '3']);
    expect(second.NextMarker).toBeUndefined();
  });
});

describe('versions and aliases', () => {
  it('publish the same once, and a change anew', async () => {
    const test = await openForTest(CONTROL_ONLY);
    const name = await test.created();
    const publish = () => test.lambda.send(new L.PublishVersionCommand({FunctionName: name}));
    const first = await publish();
    expect([first.Version, first.State]).toEqual(['1', 'Pending']);
    expect((await publish()).Version).toBe('1');
    await test.lambda.send(
      new L.UpdateFunctionCodeCommand({FunctionName: name, ImageUri: await test.pushed({label: 'second'})}),
    );
    expect((await refusal(publish())).name).toBe('ResourceConflictException');
    await test.pass(5000);
    expect((await publish()).Version).toBe('2');
    const {Code} = await test.lambda.send(new L.GetFunctionCommand({FunctionName: name, Qualifier: '1'}));
    expect(Code?.ResolvedImageUri).toBe(await test.pushed());
  });

  it('an alias follows a version, and holds it', async () => {
    const test = await openForTest(CONTROL_ONLY);
    const name = await test.created();
    await test.published(name);
    const alias = {FunctionName: name, Name: 'live', FunctionVersion: '1'};
    const numbered = new L.CreateAliasCommand({...alias, Name: '7'});
    expect((await refusal(test.lambda.send(numbered))).name).toBe('ValidationException');
    await test.lambda.send(new L.CreateAliasCommand(alias));
    expect((await refusal(test.lambda.send(new L.CreateAliasCommand(alias)))).status).toBe(409);
    const remove = new L.DeleteFunctionCommand({FunctionName: name, Qualifier: '1'});
    expect((await refusal(test.lambda.send(remove))).message).toContain('aliases reference it: [live]');
    const absent = new L.UpdateAliasCommand({...alias, FunctionVersion: '8'});
    expect((await refusal(test.lambda.send(absent))).name).toBe('ResourceNotFoundException');
    expect(test.aws.inventory()).toContain('alias scoring:live');
    const {$metadata} = await test.lambda.send(new L.DeleteFunctionCommand({FunctionName: name}));
    expect($metadata.httpStatusCode).toBe(204);
    expect(test.aws.inventory().filter((each) => each.includes('scoring:'))).toEqual([]);
  });
});

describe('provisioned concurrency', () => {
  it('takes its time, and is for what is published alone', async () => {
    const test = await openForTest(CONTROL_ONLY);
    const name = await test.created();
    await test.published(name);
    await test.lambda.send(
      new L.CreateAliasCommand({FunctionName: name, Name: 'live', FunctionVersion: '1'}),
    );
    const put = (Qualifier: string, ProvisionedConcurrentExecutions = 2) =>
      test.lambda.send(
        new L.PutProvisionedConcurrencyConfigCommand({
          FunctionName: name,
          Qualifier,
          ProvisionedConcurrentExecutions,
        }),
      );
    const get = () =>
      test.lambda.send(new L.GetProvisionedConcurrencyConfigCommand({FunctionName: name, Qualifier: 'live'}));
    expect((await refusal(get())).name).toBe('ProvisionedConcurrencyConfigNotFoundException');
    expect((await refusal(put('$LATEST'))).message).toContain('unpublished');
    expect((await put('live')).Status).toBe('IN_PROGRESS');
    expect((await refusal(put('1'))).message).toContain('already Provisioned version');
    expect((await refusal(put('live', 3))).message).toContain('A previous request is being processed');
    expect((await get()).AllocatedProvisionedConcurrentExecutions).toBe(0);
    await test.pass(30_000);
    expect(await get()).toMatchObject({Status: 'READY', AllocatedProvisionedConcurrentExecutions: 2});
    test.aws.account.concurrency = 10;
    expect((await refusal(put('live', 3))).message).toContain('below its minimum value of [10]');
  });
});

describe('event source mappings', () => {
  it('wait for the permission of the role, and take their time', async () => {
    const test = await openForTest(CONTROL_ONLY);
    const name = await test.created();
    const EventSourceArn = test.aws.queues.plant('orders');
    const create = (change: Partial<L.CreateEventSourceMappingCommandInput> = {}) =>
      test.lambda.send(
        new L.CreateEventSourceMappingCommand({FunctionName: name, EventSourceArn, ...change}),
      );
    expect((await refusal(create({BatchSize: 100}))).message).toContain('batch window');
    expect((await refusal(create({StartingPosition: 'LATEST'}))).message).toContain('StartingPosition');
    expect((await refusal(create())).message).toContain(
      'does not have permissions to call ReceiveMessage on SQS',
    );
    const PolicyArn = 'arn:aws:iam::aws:policy/service-role/AWSLambdaSQSQueueExecutionRole';
    await test.iam.send(new AttachRolePolicyCommand({RoleName: 'scoring-role', PolicyArn}));
    expect((await refusal(create())).name).toBe('InvalidParameterValueException');
    await test.pass(9000);
    const {UUID, State, EventSourceMappingArn: Resource} = await create({BatchSize: 5, Tags: {a: 'b'}});
    expect(State).toBe('Creating');
    const {Tags} = await test.lambda.send(new L.ListTagsCommand({Resource}));
    expect(Tags).toEqual({a: 'b'});
    expect((await refusal(create())).message).toContain(`UUID ${UUID}`);
    const remove = () => test.lambda.send(new L.DeleteEventSourceMappingCommand({UUID}));
    expect((await refusal(remove())).name).toBe('ResourceInUseException');
    await test.pass(4000);
    const now = await test.lambda.send(new L.GetEventSourceMappingCommand({UUID}));
    expect([now.State, now.BatchSize]).toEqual(['Enabled', 5]);
    expect((await remove()).State).toBe('Deleting');
    await test.pass(4000);
    expect((await test.lambda.send(new L.ListEventSourceMappingsCommand({}))).EventSourceMappings).toEqual(
      [],
    );
  });

  it('are changed in time, keep what is not said, and lose what is said to be empty', async () => {
    const test = await openForTest(CONTROL_ONLY);
    const FunctionName = await test.created();
    const EventSourceArn = test.aws.queues.plant('orders', {VisibilityTimeout: '10'});
    const PolicyArn = 'arn:aws:iam::aws:policy/service-role/AWSLambdaSQSQueueExecutionRole';
    await test.iam.send(new AttachRolePolicyCommand({RoleName: 'scoring-role', PolicyArn}));
    await test.pass(9000);
    const create = (change: Partial<L.CreateEventSourceMappingCommandInput> = {}) =>
      test.lambda.send(new L.CreateEventSourceMappingCommand({FunctionName, EventSourceArn, ...change}));
    expect((await refusal(create())).message).toBe(
      'Queue visibility timeout: 10 seconds is less than Function timeout: 30 seconds',
    );
    expect((await refusal(create({EventSourceArn: `${EventSourceArn}-2`}))).message).toContain('NonExistent');
    test.aws.queues.plant('orders');
    const filtered = (...patterns: string[]) => ({Filters: patterns.map((Pattern) => ({Pattern}))});
    for (const pattern of ['{"body": "order"}', '{"body": {"a": []}}', '{}', '[1]', 'order']) {
      const error = await refusal(create({FilterCriteria: filtered(pattern)}));
      expect(error.message).toBe('Invalid filter pattern definition.');
    }
    const six = Array.from({length: 6}, () => '{"body": [1]}');
    expect((await refusal(create({FilterCriteria: filtered(...six)}))).message).toContain('exceed 5');

    const FilterCriteria = filtered('{"body": [1]}');
    const {UUID} = await create({FilterCriteria, ScalingConfig: {MaximumConcurrency: 3}});
    const update = (change: Partial<L.UpdateEventSourceMappingCommandInput>) =>
      test.lambda.send(new L.UpdateEventSourceMappingCommand({UUID, ...change}));
    expect((await refusal(update({BatchSize: 5}))).name).toBe('ResourceInUseException');
    await test.pass(4000);
    expect(await update({BatchSize: 5})).toMatchObject({
      State: 'Updating',
      BatchSize: 5,
      FilterCriteria,
      ScalingConfig: {MaximumConcurrency: 3},
    });
    await test.pass(4000);
    const emptied = await update({Enabled: false, FilterCriteria: {}, ScalingConfig: {}});
    expect([emptied.State, emptied.FilterCriteria, emptied.ScalingConfig]).toEqual([
      'Disabling',
      undefined,
      undefined,
    ]);
    await test.pass(4000);
    expect((await update({Enabled: true})).State).toBe('Enabling');
  });
});
