import {testPushedEvents} from '../../runtime/pushed-events-suite.ts';
import {nodeRuntime} from './node-runtime.ts';

testPushedEvents(
  nodeRuntime,
  `
  export function predict(input, {context}) {
    if (input === 'throw') throw new Error('thrown');
    if (input === 'nothing') return undefined;
    const {source, event} = context;
    return {input: input instanceof Uint8Array ? {bytes: [...input]} : input, source, event};
  }`,
);
