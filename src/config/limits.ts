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
  if (settings.warm.min > settings.maxInstances) {
    problems.push({
      path: ['warm', 'min'],
      message: `keeps ${settings.warm.min} instances ready, more than scaling.max ${settings.maxInstances}`,
    });
  }
  return problems;
}
