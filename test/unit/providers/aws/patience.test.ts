import {describe, expect, it} from 'vitest';
import type {Clock} from '../../../../src/core/ports.ts';
import {ThawError} from '../../../../src/core/errors.ts';
import {look} from '../../../../src/providers/aws/calls/errors.ts';
import {poll, type Job} from '../../../../src/providers/aws/ops/arguments.ts';

const asked = {action: 'lambda:GetFunction', resource: 'f'};
const {signal} = new AbortController();

/** A clock that goes where it is told to, and sleeps at once. */
function clockAtNull(): Clock & {passMs(ms: number): void} {
  let nowMs = 0;
  return {
    now: () => nowMs,
    monotonicMs: () => nowMs,
    sleep: (ms) => Promise.resolve(void (nowMs += ms)),
    passMs: (ms) => void (nowMs += ms),
  };
}

const silence = (): ThawError =>
  new ThawError('PROVIDER_UNREACHABLE', 'got no answer', {transient: true, reason: 'TimeoutError'});

describe('a read', () => {
  const looking = (clock: Clock) => ({ports: {clock}, signal}) as unknown as Parameters<typeof look>[1];

  it('that is never answered is made once more, however long that took', async () => {
    const clock = clockAtNull();
    let tries = 0;
    const read = (): Promise<string> => {
      clock.passMs(40_000);
      return ++tries === 1 ? Promise.reject(silence()) : Promise.resolve('there');
    };
    expect(await look(asked, looking(clock), read)).toBe('there');
  });

  it('is given up after half a minute', async () => {
    const clock = clockAtNull();
    let tries = 0;
    const read = (): Promise<never> => {
      tries++;
      return Promise.reject(silence());
    };
    await expect(look(asked, looking(clock), read)).rejects.toMatchObject({code: 'PROVIDER_UNREACHABLE'});
    expect([tries > 5, tries < 30, clock.monotonicMs() < 60_000]).toEqual([true, true, true]);
  });
});

describe('a wait', () => {
  const waiting = (clock: Clock): Job => ({context: {ports: {clock}}, signal}) as unknown as Job;

  it('outlives failures that pass, as long as AWS is heard of in between', async () => {
    const clock = clockAtNull();
    let reads = 0;
    const read = (): Promise<object | null> => {
      clock.passMs(50_000);
      reads++;
      if (reads % 2 === 1) return Promise.reject(silence());
      return Promise.resolve(reads === 10 ? {} : null);
    };
    expect(
      await poll(waiting(clock), 'it', 900_000, read as () => Promise<Record<string, string> | null>),
    ).toEqual({});
  });

  it('gives up where AWS is not heard of for two minutes', async () => {
    const clock = clockAtNull();
    const read = (): Promise<never> => Promise.reject(silence());
    await expect(poll(waiting(clock), 'it', 900_000, read)).rejects.toMatchObject({
      code: 'PROVIDER_UNREACHABLE',
    });
    expect(clock.monotonicMs()).toBeLessThan(150_000);
  });

  it('says what was still missing when it took too long', async () => {
    const missing = () => ['its memoryMb is 512 instead of 1024'];
    const given = poll(
      waiting(clockAtNull()),
      'the update of f',
      900_000,
      () => Promise.resolve(null),
      missing,
    );
    await expect(given).rejects.toMatchObject({
      code: 'WAIT_TIMED_OUT',
      message: 'the update of f took longer than 900 s: its memoryMb is 512 instead of 1024',
      facts: {missing: ['its memoryMb is 512 instead of 1024']},
    });
  });
});
