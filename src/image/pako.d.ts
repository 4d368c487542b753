/** The part of pako that layers are compressed with. */
declare module 'pako' {
  export class Deflate {
    constructor(options: {
      readonly level: number;
      readonly memLevel: number;
      readonly raw: boolean;
      readonly chunkSize: number;
      /** Zlib's own hash: its results, byte for byte. */
      readonly legacyHash: boolean;
    });
    onData(piece: Uint8Array): void;
    push(chunk: Uint8Array, isLast: boolean): boolean;
  }
}
