/** What a message carries: the value if it is JSON, the text if it is text, else the bytes. */
export function payloadOf(bytes: Uint8Array): unknown {
  let text: string;
  try {
    text = new TextDecoder('utf-8', {fatal: true}).decode(bytes);
  } catch {
    return Uint8Array.from(bytes);
  }
  return payloadOfText(text);
}

/** The value if the text is JSON, else the text. */
export function payloadOfText(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return text;
  }
}

/** What a message carries as base64. */
export function payloadOfBase64(base64: string): unknown {
  return payloadOf(Buffer.from(base64, 'base64'));
}
