import {expect} from 'vitest';
import {ThawError} from '../../../src/core/errors.ts';

/** Why something is refused, which must be: in thaw's own words. */
export async function refusalOf(work: Promise<unknown>): Promise<ThawError> {
  const error: unknown = await work.then(
    () => null,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(ThawError);
  return error as ThawError;
}
