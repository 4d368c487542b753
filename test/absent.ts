import {ThawError} from '../src/core/errors.ts';
import type {MakePythonEnvironment, OpenContainerEngine} from '../src/core/ports.ts';

/** A machine without a container engine, whatever is installed on this one. */
export const noContainerEngine: OpenContainerEngine = () =>
  Promise.reject(new ThawError('ENGINE_UNAVAILABLE', 'there is none in this test', {reason: 'no-command'}));

/** A machine without Python. */
export const noPython: MakePythonEnvironment = () =>
  Promise.reject(new ThawError('PYTHON_UNAVAILABLE', 'there is none in this test', {reason: 'missing'}));
