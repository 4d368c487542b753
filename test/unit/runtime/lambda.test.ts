import {afterEach, describe, expect, it} from 'vitest';
import {testLambda} from '../../runtime/lambda-suite.ts';
import {linesOf, openLambdaBench} from '../../runtime/on-lambda.ts';
import {nodeRuntime} from './node-runtime.ts';

const OBEYING = `
  export async function predict(input, {model, context}) {
    switch (input?.do) {
      case 'score':
        return {score: (await model.run({features: [input.features]})).score.data[0]};
      case 'throw':
        throw new TypeError('the dog ate ' + input.what);
      case 'exit':
        process.exit(7);
      case 'never':
        console.log('begun');
        return new Promise(() => {});
      case 'sleep':
        console.log('begun');
        await new Promise((resolve) => setTimeout(resolve, input.ms));
        return 'slept';
      case 'fill':
        return 'x'.repeat(input.bytes);
      case 'trace':
        return process.env._X_AMZN_TRACE_ID;
      case 'nothing':
        return undefined;
    }
    const {requestId, deadlineMs, source, event, headers} = context;
    console.log(JSON.stringify({seen: {input, source, event}}));
    return {input, requestId, deadlineMs, source, event, headers};
  }`;

testLambda(nodeRuntime, {
  obeying: OBEYING,
  failing: {
    source: `export function predict() { throw new RangeError('no') }`,
    errorType: 'RangeError',
  },
  broken: [
    ['a handler that throws while it loads', `throw new Error('no licence')`, 'no licence'],
    ['a handler without predict', `export const other = 1`, 'predict'],
    [
      'a handler that throws where nobody catches',
      `setTimeout(() => { throw new Error('late') }, 0); await new Promise((r) => setTimeout(r, 60000))`,
      'late',
    ],
  ],
  frame: /at .*handler\.mjs/,
});

describe('the end on Lambda with Node', () => {
  const bench = openLambdaBench(nodeRuntime);
  afterEach(() => bench.close());

  it('comes with a handler that ends the process, which the log says', async () => {
    const {api, server} = await bench.open(OBEYING);
    void api.invoke({do: 'exit'});
    expect(await server.ended).toEqual({code: 7, signal: null});
    expect(linesOf(server).at(-1)).toMatchObject({message: 'the handler ended the process with code 7'});
  });
});
