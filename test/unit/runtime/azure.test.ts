import {testAzure} from '../../runtime/azure-suite.ts';
import {nodeRuntime} from './node-runtime.ts';

testAzure(
  nodeRuntime,
  `
  export async function predict(input, {model, context}) {
    if (input?.do === 'score') return (await model.run({features: [input.features]})).score.data[0];
    if (input?.do === 'throw') throw new TypeError('the dog ate it');
    const {source, event, headers} = context;
    console.log(JSON.stringify({seen: input}));
    return {input, source, event, headers};
  }`,
);
