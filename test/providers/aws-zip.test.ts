import {awsTraits, openAwsHarness} from './aws/harness.ts';
import {describeConformance} from './conformance.ts';

describeConformance({
  name: 'aws, with zip archives',
  traits: {
    ...awsTraits,
    // Where there is no image, there is no repository, and there are no snapshots.
    placeOptions: [...(awsTraits.placeOptions ?? []), 'repository', 'snapStart'],
  },
  openHarness: () => openAwsHarness({artifact: 'zip'}),
  timeoutMs: 240_000,
});
