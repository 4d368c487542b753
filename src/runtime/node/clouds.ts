// The doors of particular clouds. They are built as a program of their own, which the server loads where it runs on
// one of them, so that nobody else pays for them at the start.
export {customHandler} from './azure/custom-handler.ts';
export {startOnLambda} from './lambda/start.ts';
