import {ThawError} from '../src/core/errors.ts';
import type {MakePythonEnvironment, OpenContainerEngine, PushImage} from '../src/core/ports.ts';

/** A machine without a container engine, whatever is installed on this one. */
export const noContainerEngine: OpenContainerEngine = () =>
  Promise.reject(new ThawError('ENGINE_UNAVAILABLE', 'there is none in this test', {reason: 'no-command'}));

/** A machine without Python. */
export const noPython: MakePythonEnvironment = () =>
  Promise.reject(new ThawError('PYTHON_UNAVAILABLE', 'there is none in this test', {reason: 'missing'}));

/** A place that no image can be pushed from. */
export const noPush: PushImage = () =>
  Promise.reject(new ThawError('PROVIDER_UNREACHABLE', 'nothing is pushed in this test'));
