// What bench/image.mjs runs of thaw's own: the push alone, without the command line around it.
export {pushImage} from '../../src/image/registry/push.ts';
export {parseReference} from '../../src/image/registry/reference.ts';
export {systemClock} from '../../src/net/clock.ts';
