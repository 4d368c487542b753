import {describe, expect, it} from 'vitest';
import {conformanceChecks} from './conformance.ts';
import {memoryTraits, openMemoryHarness, type MemorySpec} from './memory/harness.ts';
import {MUTANTS, type Mutant} from './mutants/mutants.ts';

const checks = conformanceChecks(memoryTraits);

/** The names of the checks that a driver fails. */
async function failedChecks(mutate: Mutant['mutate'] = (spec: MemorySpec) => spec): Promise<string[]> {
  const failed: string[] = [];
  for (const check of checks) {
    const harness = await openMemoryHarness(mutate);
    try {
      await check.run(harness);
    } catch {
      failed.push(check.name);
    } finally {
      await harness.close();
    }
  }
  return failed;
}

describe('the conformance suite', () => {
  it('has nothing against the driver that is whole', async () => {
    expect(await failedChecks()).toEqual([]);
  });

  it('names its checks so that each can be told from the others', () => {
    expect(new Set(checks.map(({name}) => name)).size).toBe(checks.length);
  });
});

describe('the conformance suite catches a driver that', () => {
  it.each(MUTANTS)('$name', async ({mutate, caughtBy}) => {
    const failed = await failedChecks(mutate);
    expect(
      failed.filter((name) => name.startsWith(caughtBy)),
      `failed: ${failed.join('; ')}`,
    ).not.toEqual([]);
  });
});
