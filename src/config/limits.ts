import type {Limits} from '../core/driver.ts';
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
  for (const [index, trigger] of settings.triggers.entries()) {
    const kind = trigger.kind === 'event' ? trigger.source : trigger.kind;
    const path = ['triggers', index];
    if (!limits.triggers.includes(kind)) problems.push({path, message: `${provider} has no ${kind} trigger`});
    if (trigger.kind === 'http' && !limits.auth.includes(trigger.auth)) {
      problems.push({path: [...path, 'http', 'auth'], message: `${provider} has no auth ${trigger.auth}`});
    }
  }
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
