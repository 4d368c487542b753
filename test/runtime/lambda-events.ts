// Events as AWS documents them.

const bodyOf = (body: unknown): string => (typeof body === 'string' ? body : JSON.stringify(body));

/** Format 2.0: function URLs and HTTP APIs. */
export function httpEvent(method: string, path: string, body?: unknown) {
  return {
    version: '2.0',
    routeKey: '$default',
    rawPath: path,
    rawQueryString: 'a=1&b=2',
    headers: {'content-type': 'application/json', host: 'abc.lambda-url.eu-central-1.on.aws'},
    queryStringParameters: {a: '1', b: '2'},
    requestContext: {
      accountId: 'anonymous',
      apiId: 'abc',
      domainName: 'abc.lambda-url.eu-central-1.on.aws',
      http: {method, path, protocol: 'HTTP/1.1', sourceIp: '203.0.113.7', userAgent: 'curl/8.0'},
      requestId: 'e1506fd5-9e7b-434f-bd42-4f8fa224b599',
      routeKey: '$default',
      stage: '$default',
      time: '12/Mar/2026:19:03:58 +0000',
      timeEpoch: 1773342238000,
    },
    ...(body === undefined ? {} : {body: bodyOf(body)}),
    isBase64Encoded: false,
  };
}

/** Format 1.0: REST APIs. */
export function restEvent(method: string, path: string, body: unknown) {
  return {
    resource: '/{proxy+}',
    path,
    httpMethod: method,
    headers: {Accept: 'b', 'X-One': '1'},
    multiValueHeaders: {Accept: ['a', 'b'], 'X-One': ['1']},
    queryStringParameters: null,
    multiValueQueryStringParameters: null,
    pathParameters: {proxy: ''},
    stageVariables: null,
    requestContext: {resourcePath: '/{proxy+}', httpMethod: method, path: `/prod${path}`, stage: 'prod'},
    body: bodyOf(body),
    isBase64Encoded: false,
  };
}

/** From an application load balancer, whose target group sends one value a header, or several. */
export function loadBalancerEvent(method: string, path: string, body: unknown, several: boolean) {
  return {
    requestContext: {
      elb: {
        targetGroupArn:
          'arn:aws:elasticloadbalancing:eu-central-1:123456789012:targetgroup/demo/6d0ecf831eec9f09',
      },
    },
    httpMethod: method,
    path,
    ...(several
      ? {multiValueQueryStringParameters: {}, multiValueHeaders: {accept: ['a', 'b']}}
      : {queryStringParameters: {}, headers: {accept: 'b'}}),
    body: bodyOf(body),
    isBase64Encoded: false,
  };
}

export function s3Event(key: string) {
  return {
    Records: [
      {
        eventVersion: '2.1',
        eventSource: 'aws:s3',
        awsRegion: 'eu-central-1',
        eventTime: '2026-03-12T19:03:58.000Z',
        eventName: 'ObjectCreated:Put',
        userIdentity: {principalId: 'EXAMPLE'},
        requestParameters: {sourceIPAddress: '203.0.113.7'},
        responseElements: {'x-amz-request-id': 'EXAMPLE123456789', 'x-amz-id-2': 'EXAMPLE123/abc'},
        s3: {
          s3SchemaVersion: '1.0',
          configurationId: 'thaw',
          bucket: {name: 'photos', ownerIdentity: {principalId: 'EXAMPLE'}, arn: 'arn:aws:s3:::photos'},
          object: {
            key: encodeURIComponent(key).replaceAll('%20', '+').replaceAll('%2F', '/'),
            size: 1024,
            eTag: 'abc',
            sequencer: '0A1B2C3D4E5F678901',
          },
        },
      },
    ],
  };
}

export function sqsEvent(bodies: readonly unknown[], queue = 'orders') {
  return {
    Records: bodies.map((body, index) => ({
      messageId: `message-${index}`,
      receiptHandle: 'AQEBwJnKyrHigUMZj6rYigCgxlaS3SLy0a',
      body: bodyOf(body),
      attributes: {
        ApproximateReceiveCount: '1',
        SentTimestamp: '1773342238000',
        SenderId: 'AIDAIENQZJOLO23YVJ4VO',
        ApproximateFirstReceiveTimestamp: '1773342238001',
      },
      messageAttributes: {},
      md5OfBody: 'e4e68fb7bd0e697a0ae8f1bb342846b3',
      eventSource: 'aws:sqs',
      eventSourceARN: `arn:aws:sqs:eu-central-1:123456789012:${queue}`,
      awsRegion: 'eu-central-1',
    })),
  };
}

export function kinesisEvent(data: readonly unknown[]) {
  return {
    Records: data.map((value, index) => ({
      kinesis: {
        kinesisSchemaVersion: '1.0',
        partitionKey: '1',
        sequenceNumber: `sequence-${index}`,
        data: Buffer.from(bodyOf(value)).toString('base64'),
        approximateArrivalTimestamp: 1773342238.0,
      },
      eventSource: 'aws:kinesis',
      eventVersion: '1.0',
      eventID: `shardId-000000000006:sequence-${index}`,
      eventName: 'aws:kinesis:record',
      invokeIdentityArn: 'arn:aws:iam::123456789012:role/lambda-role',
      awsRegion: 'eu-central-1',
      eventSourceARN: 'arn:aws:kinesis:eu-central-1:123456789012:stream/readings',
    })),
  };
}

export function dynamoEvent() {
  return {
    Records: [
      {
        eventID: 'c4ca4238a0b923820dcc509a6f75849b',
        eventName: 'MODIFY',
        eventVersion: '1.1',
        eventSource: 'aws:dynamodb',
        awsRegion: 'eu-central-1',
        dynamodb: {
          Keys: {id: {N: '7'}},
          NewImage: {
            id: {N: '7'},
            name: {S: 'x'},
            tags: {SS: ['a', 'b']},
            deep: {M: {list: {L: [{N: '1.5'}, {BOOL: true}, {NULL: true}]}}},
            big: {N: '9007199254740993'},
          },
          ApproximateCreationDateTime: 1773342238,
          SequenceNumber: '4421584500000000017450439091',
          SizeBytes: 59,
          StreamViewType: 'NEW_IMAGE',
        },
        eventSourceARN: 'arn:aws:dynamodb:eu-central-1:123456789012:table/t/stream/2026-03-12T00:00:00.000',
      },
    ],
  };
}

/** From an EventBridge rule. */
export function scheduleEvent() {
  return {
    version: '0',
    id: '53dc4d37-cffa-4f76-80c9-8b7d4a4d2eaa',
    'detail-type': 'Scheduled Event',
    source: 'aws.events',
    account: '123456789012',
    time: '2026-03-12T19:03:58Z',
    region: 'eu-central-1',
    resources: ['arn:aws:events:eu-central-1:123456789012:rule/hourly'],
    detail: {},
  };
}
