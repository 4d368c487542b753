import {describeConformance} from './conformance.ts';
import {memoryTraits, openMemoryHarness} from './memory/harness.ts';

describeConformance({name: 'memory', traits: memoryTraits, openHarness: () => openMemoryHarness()});
