import {expect, test} from 'vitest';
import {scheduleShots} from '../../../src/benchmark/schedule.ts';

test('cold shots come first, numbered through', () => {
  expect(scheduleShots({cold: 2, warm: 3, freshImage: false})).toEqual([
    {index: 0, want: 'cold'},
    {index: 1, want: 'cold'},
    {index: 2, want: 'warm'},
    {index: 3, want: 'warm'},
    {index: 4, want: 'warm'},
  ]);
});

test('a fresh image takes one cold shot more, since its first is reported apart', () => {
  expect(scheduleShots({cold: 2, warm: 0, freshImage: true})).toHaveLength(3);
  expect(scheduleShots({cold: 0, warm: 2, freshImage: true}).map(({want}) => want)).toEqual(['warm', 'warm']);
});

test('nothing wanted is nothing fired', () => {
  expect(scheduleShots({cold: 0, warm: 0, freshImage: false})).toEqual([]);
});
