import {awsTraits, openAwsHarness} from './aws/harness.ts';
import {describeConformance} from './conformance.ts';

describeConformance({
  name: 'aws',
  traits: awsTraits,
  openHarness: () => openAwsHarness(),
  timeoutMs: 240_000,
});
