import {expect, it} from 'vitest';
import {breakLives, KINDS} from './broken-life.ts';

// Every request by one kind of fault or another; all requests by all kinds take minutes: test/parts/aws-faults.test.ts.
it.each(['image', 'zip'])(
  'comes to the same end after every command, whichever request is broken, with an artifact %s',
  async (artifact) => {
    const broken = await breakLives({artifact}, (n) => KINDS[n % KINDS.length] ?? 'reset');
    expect(broken).toBeGreaterThan(150);
  },
  300_000,
);
