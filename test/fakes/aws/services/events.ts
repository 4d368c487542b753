import type * as Events from '@aws-sdk/client-eventbridge';
import {addTags, listTags, pageOf, type Cloud, type Handlers, type Service} from '../cloud.ts';
import {Refusal} from '../refusal.ts';
import {jsonRpc} from '../wire/json-rpc.ts';

interface Rule {
  readonly name: string;
  readonly tags: Map<string, string>;
  readonly targets: Map<string, Events.Target>;
  schedule: string | undefined;
  pattern: string | undefined;
  description: string | undefined;
  state: Events.RuleState;
}

const SCHEDULE =
  /^(?:cron\((?:\S+ ){5}\S+\)|rate\((?:1 (?:minute|hour|day)|(?:[2-9]|\d{2,}) (?:minutes|hours|days))\))$/;

/** What others ask of rules. */
export interface Rules {
  /** Null: there is none, or it is disabled. */
  rule(name: string): {readonly arn: string; readonly targets: readonly Events.Target[]} | null;
}

/** EventBridge's rules on the default bus. */
export function createEvents({account, pageSize}: Cloud): Service & Rules {
  const rules = new Map<string, Rule>();
  const arnOf = (name: string): string => account.arn('events', `rule/${name}`);

  const find = (name: string | undefined): Rule => {
    const found = rules.get(name ?? '');
    if (found !== undefined) return found;
    throw new Refusal('ResourceNotFoundException', `Rule ${name} does not exist on EventBus default.`);
  };
  const byArn = (arn: string | undefined): Rule => find(arn?.split(':rule/')[1]);

  const render = (rule: Rule): Events.Rule => ({
    Name: rule.name,
    Arn: arnOf(rule.name),
    EventPattern: rule.pattern,
    State: rule.state,
    Description: rule.description,
    ScheduleExpression: rule.schedule,
    EventBusName: 'default',
  });

  const handlers: Handlers = {
    PutRule(input: Events.PutRuleRequest): Events.PutRuleResponse {
      const {Name: name = '', ScheduleExpression: schedule, EventPattern: pattern} = input;
      if (!/^[.\-_A-Za-z0-9]{1,64}$/.test(name)) {
        throw new Refusal(
          'ValidationException',
          `1 validation error detected: Value '${name}' at 'name' failed to satisfy constraint: Member must satisfy regular expression pattern: [\\.\\-_A-Za-z0-9]+`,
        );
      }
      if (schedule === undefined && pattern === undefined) {
        throw new Refusal(
          'ValidationException',
          'Parameter(s) EventPattern or ScheduleExpression must be specified.',
        );
      }
      if (schedule !== undefined && !SCHEDULE.test(schedule)) {
        throw new Refusal('ValidationException', 'Parameter ScheduleExpression is not valid.');
      }
      const before = rules.get(name);
      const rule: Rule = before ?? {
        name,
        tags: new Map(),
        targets: new Map(),
        schedule,
        pattern,
        description: undefined,
        state: 'ENABLED',
      };
      // Tags of a rule that is there already are left as they are.
      if (before === undefined) addTags(rule.tags, input.Tags);
      rule.schedule = schedule;
      rule.pattern = pattern;
      rule.description = input.Description;
      rule.state = input.State ?? 'ENABLED';
      rules.set(name, rule);
      return {RuleArn: arnOf(name)};
    },
    DescribeRule: ({Name}: Events.DescribeRuleRequest): Events.DescribeRuleResponse => render(find(Name)),
    ListRules(input: Events.ListRulesRequest): Events.ListRulesResponse {
      const all = [...rules.values()].filter(({name}) => name.startsWith(input.NamePrefix ?? ''));
      const {page, next} = pageOf(all, input.NextToken, input.Limit, pageSize);
      return {NextToken: next, Rules: page.map(render)};
    },
    ListRuleNamesByTarget(input: Events.ListRuleNamesByTargetRequest): Events.ListRuleNamesByTargetResponse {
      const all = [...rules.values()].filter(({targets}) =>
        [...targets.values()].some(({Arn}) => Arn === input.TargetArn),
      );
      const {page, next} = pageOf(all, input.NextToken, input.Limit, pageSize);
      return {NextToken: next, RuleNames: page.map(({name}) => name)};
    },
    EnableRule({Name}: Events.EnableRuleRequest): void {
      find(Name).state = 'ENABLED';
    },
    DisableRule({Name}: Events.DisableRuleRequest): void {
      find(Name).state = 'DISABLED';
    },
    DeleteRule({Name}: Events.DeleteRuleRequest): void {
      // A rule that is not there is deleted.
      const rule = rules.get(Name ?? '');
      if (rule === undefined) return;
      if (rule.targets.size > 0)
        throw new Refusal('ValidationException', "Rule can't be deleted since it has targets.");
      rules.delete(rule.name);
    },
    PutTargets({Rule: name, Targets = []}: Events.PutTargetsRequest): Events.PutTargetsResponse {
      const {targets} = find(name);
      for (const target of Targets) targets.set(target.Id ?? '', target);
      if (targets.size > 5)
        throw new Refusal(
          'LimitExceededException',
          'The requested resource exceeds the maximum number allowed.',
        );
      return {FailedEntryCount: 0, FailedEntries: []};
    },
    ListTargetsByRule(input: Events.ListTargetsByRuleRequest): Events.ListTargetsByRuleResponse {
      const {page, next} = pageOf(
        [...find(input.Rule).targets.values()],
        input.NextToken,
        input.Limit,
        pageSize,
      );
      return {NextToken: next, Targets: page};
    },
    RemoveTargets({Rule: name, Ids = []}: Events.RemoveTargetsRequest): Events.RemoveTargetsResponse {
      const {targets} = find(name);
      for (const id of Ids) targets.delete(id);
      return {FailedEntryCount: 0, FailedEntries: []};
    },
    TagResource({ResourceARN, Tags}: Events.TagResourceRequest): Events.TagResourceResponse {
      addTags(byArn(ResourceARN).tags, Tags);
      return {};
    },
    UntagResource({ResourceARN, TagKeys}: Events.UntagResourceRequest): Events.UntagResourceResponse {
      for (const key of TagKeys ?? []) byArn(ResourceARN).tags.delete(key);
      return {};
    },
    ListTagsForResource: ({
      ResourceARN,
    }: Events.ListTagsForResourceRequest): Events.ListTagsForResourceResponse => ({
      Tags: listTags(byArn(ResourceARN).tags),
    }),
  };

  return {
    scope: 'events',
    prefix: 'events',
    loadClient: () => import('@aws-sdk/client-eventbridge'),
    protocol: (client) => jsonRpc(client, 'AWSEvents', '1.1'),
    throttled: {type: 'ThrottlingException', status: 400, message: 'Rate exceeded'},
    handlers,
    resourceOf: (_, {Name, Rule: rule, ResourceARN}) => {
      if (typeof ResourceARN === 'string') return ResourceARN;
      const name = Name ?? rule;
      return typeof name === 'string' ? arnOf(name) : '*';
    },
    rule(name) {
      const found = rules.get(name);
      return found?.state === 'ENABLED' ? {arn: arnOf(name), targets: [...found.targets.values()]} : null;
    },
    inventory: () => [...rules.keys()].map((name) => `rule ${name}`),
  };
}
