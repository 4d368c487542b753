import type {Limits} from '../core/driver.ts';
import type {Trigger, TriggerOption} from '../core/function.ts';
import {sameJson} from '../core/json.ts';
import {formatDuration, formatMemory} from '../core/units.ts';
import type {Settings} from './config.ts';
import type {Problem} from './document.ts';

/** Settings that a provider cannot give, each with its limit. */
export function settingsBeyond(limits: Limits, settings: Settings, provider: string): Problem[] {
  const problems: Problem[] = [];
  type Range = {readonly min: number; readonly max: number};
  const outside = (path: string[], value: number, range: Range, show: (value: number) => string = String) => {
    if (value >= range.min && value <= range.max) return;
    problems.push({
      path,
      message: `${provider} takes ${show(range.min)} to ${show(range.max)}, not ${show(value)}`,
    });
  };
  outside(['resources', 'memory'], settings.memoryMb, limits.memoryMb, formatMemory);
  outside(['resources', 'timeout'], settings.timeoutMs, {min: 1, max: limits.timeoutMs.max}, formatDuration);
  outside(['resources', 'concurrency'], settings.concurrency, limits.concurrency);
  outside(['scaling', 'max'], settings.maxInstances, limits.maxInstances);
  if (settings.cpu !== null) {
    if (limits.cpu) outside(['resources', 'cpu'], settings.cpu, limits.cpu);
    else
      problems.push({
        path: ['resources', 'cpu'],
        message: `${provider} gives CPU by memory and takes no number`,
      });
  }
  if (settings.warm.schedule.length > 0 && !limits.warm.schedule) {
    problems.push({
      path: ['warm', 'schedule'],
      message: `${provider} keeps no instances ready by a schedule`,
    });
  }
  problems.push(...triggersBeyond(limits, settings, provider));
  for (const [name, source] of Object.entries(settings.secrets)) {
    const store = source.slice(0, source.indexOf(':'));
    if (source === 'env' || limits.secretStores.includes(store)) continue;
    const known = ['env', ...limits.secretStores.map((prefix) => `${prefix}:…`)].join(', ');
    problems.push({
      path: ['secrets', name],
      message: `${provider} takes secrets from ${known}, not ${source}`,
    });
  }
  if (settings.warm.min > settings.maxInstances) {
    problems.push({
      path: ['warm', 'min'],
      message: `keeps ${settings.warm.min} instances ready, more than scaling.max ${settings.maxInstances}`,
    });
  }
  return problems;
}

/** Triggers, and what is said of them, that a provider does not have; and those that stand there twice. */
function triggersBeyond(limits: Limits, settings: Settings, provider: string): Problem[] {
  const {triggers, maxInstances, concurrency} = settings;
  return triggers.flatMap((trigger, index): Problem[] => {
    const kind = kindOf(trigger);
    const path = ['triggers', index];
    const known = Object.hasOwn(limits.triggers, kind) ? limits.triggers[kind] : undefined;
    if (known === undefined) return [{path, message: `${provider} has no ${kind} trigger`}];
    const twin = triggers
      .slice(0, index)
      .findIndex((each) => (kind === 'http' ? each.kind === 'http' : sameJson(each, trigger)));
    return [
      ...(twin < 0 ? [] : [{path, message: `is there already: triggers.${twin}`}]),
      ...(trigger.kind === 'http' && !limits.auth.includes(trigger.auth)
        ? [{path: [...path, 'http', 'auth'], message: `${provider} has no auth ${trigger.auth}`}]
        : []),
      ...(trigger.kind === 'event' && (trigger.maximumConcurrency ?? 0) > maxInstances * concurrency
        ? [
            {
              path: [...path, kind, 'maximumConcurrency'],
              message: `calls ${trigger.maximumConcurrency} at a time, more than scaling.max ${maxInstances} takes`,
            },
          ]
        : []),
      ...optionsSaid(trigger)
        .filter((option) => !known.includes(option))
        .map((option) => {
          const takes = known.length === 0 ? 'nothing of the kind' : known.map(writtenKey).join(', ');
          const message = `${provider} takes ${takes} for ${kind}`;
          return {path: [...path, kind, writtenKey(option)], message};
        }),
    ];
  });
}

const kindOf = (trigger: Trigger): string => (trigger.kind === 'event' ? trigger.source : trigger.kind);

/** What is said of a trigger beside what names it. */
const optionsSaid = (trigger: Trigger): TriggerOption[] =>
  Object.keys(trigger).filter(
    (key) => !['kind', 'auth', 'cron', 'source', 'name'].includes(key),
  ) as TriggerOption[];

/** A member as it is called in thaw.yaml. */
const writtenKey = (option: TriggerOption): string => option.replace(/Ms$/, '');
