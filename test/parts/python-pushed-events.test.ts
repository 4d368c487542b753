import {testPushedEvents} from '../runtime/pushed-events-suite.ts';
import {pythonRuntime} from '../python-instance.ts';

testPushedEvents(
  pythonRuntime,
  `
def shown(value):
    if isinstance(value, bytes):
        return {'bytes': list(value)}
    return {name: shown(member) for name, member in value.items()} if isinstance(value, dict) else value

def predict(input, context):
    if input == 'throw':
        raise RuntimeError('thrown')
    if input == 'nothing':
        return None
    return {'input': shown(input), 'source': context.source, 'event': shown(context.event)}
`,
);
