// What bench/quantize.mjs runs of thaw's own, and where it gets its models and rows from.
export {writeModel} from '../../src/model/candidate.ts';
export {measureDrift} from '../../src/model/drift.ts';
export {createReadExternal} from '../../src/model/external.ts';
export {createProbe} from '../../src/model/probe.ts';
export {quantizeInt4, quantizeInt8Blocks} from '../../src/model/quantize/blocks.ts';
export {calibrate} from '../../src/model/quantize/calibrate.ts';
export {quantizeDynamic} from '../../src/model/quantize/dynamic.ts';
export {quantizeFp16} from '../../src/model/quantize/fp16.ts';
export {quantizeStatic} from '../../src/model/quantize/static.ts';
export {quantizeWeights} from '../../src/model/quantize/weights.ts';
export {openModel} from '../../src/model/read.ts';
export {cacheDir, hostOrt} from '../../test/onnxruntime.ts';
export {madeFile, npmFile, pipFile} from '../../test/parts/models.ts';
export {openPython} from '../../test/parts/python.ts';
export {noise, pictures, sentences} from '../../test/parts/rows.ts';
