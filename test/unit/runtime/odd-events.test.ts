import {describe, expect, it} from 'vitest';
import {decodeAwsEvent} from '../../../src/runtime/node/events/aws.ts';
import {decodeTrigger} from '../../../src/runtime/node/events/azure.ts';
import {
  carriesEvents,
  pushedMessage,
  readPushedEvents,
} from '../../../src/runtime/node/events/cloud-events.ts';
import {readHttpEvent, renderHttpAnswer} from '../../../src/runtime/node/lambda/http-event.ts';
import {AWS_EVENTS, mangled, PUSHED, PUSHING, TRIGGER} from '../../runtime/odd-events.ts';

describe('an event that is not as documented', () => {
  it.each(Object.entries(AWS_EVENTS))('is still read or left alone: %s', (_what, event) => {
    let read = 0;
    for (const odd of mangled(event)) {
      const request = readHttpEvent(odd);
      if (request !== null) {
        read += 1;
        const answer = JSON.parse(renderHttpAnswer(request, 200, '{}', {a: 'b'})) as {statusCode: number};
        expect(answer.statusCode).toBe(200);
        for (const value of Object.values(request.headers)) expect(typeof value).toBe('string');
      }
      const decoded = decodeAwsEvent(odd);
      if (decoded === null) continue;
      read += 1;
      for (const {id} of decoded.records) expect(id === null || typeof id === 'string').toBe(true);
    }
    expect(read).toBeGreaterThan(10);
  });

  it('is still read when the host of Azure Functions sends it', () => {
    for (const odd of mangled(TRIGGER)) {
      const given = odd as {data?: object; metadata?: object} | null;
      const {records} = decodeTrigger({...given?.data}, {...given?.metadata});
      expect(Array.isArray(records)).toBe(true);
    }
  });

  it('is still read when it is pushed', () => {
    for (const sample of PUSHED) {
      for (const odd of mangled(sample)) {
        pushedMessage((odd as {data?: unknown} | null | undefined)?.data);
        const body = Buffer.from(JSON.stringify(odd) ?? 'null');
        for (const headers of PUSHING) {
          expect(carriesEvents(headers)).toBe(true);
          expect(readPushedEvents(headers, body)).toBeTypeOf('object');
        }
      }
    }
  });
});
