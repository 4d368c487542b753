import {fixture, layInstance, startServer} from '../../instance.ts';
import type {RuntimeUnderTest} from '../../runtime/runtime-under-test.ts';

/** The runtime for handlers in JavaScript. */
export const nodeRuntime: RuntimeUnderTest = {
  lay: (handler) => layInstance({model: fixture('linear.onnx'), ...(handler === null ? {} : {handler})}),
  start: startServer,
};
