import {readFile} from 'node:fs/promises';
import type {Row, RowTensor} from '../../src/model/calibration.ts';

/** Numbers from 0 to 1 that look random and are the same in every run. */
function createRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 48_271) % 2_147_483_647;
    return state / 2_147_483_647;
  };
}

/** Rows of noise around zero, by input. */
export function noise(shapes: {readonly [input: string]: readonly number[]}, count: number): Row[] {
  const random = createRandom(7);
  // Sums of uniform numbers: near enough to what is normal.
  const normal = (): number => random() + random() + random() + random() - 2;
  return Array.from({length: count}, () =>
    Object.fromEntries(
      Object.entries(shapes).map(([input, shape]): [string, RowTensor] => {
        const size = shape.reduce((product, length) => product * length, 1);
        return [input, {shape, data: Array.from({length: size}, normal)}];
      }),
    ),
  );
}

/**
 * Pictures of dark strokes in lines on light paper, as a scanned page has them, from -1 to 1.
 *
 * @param shape [1, channels, height, width], or [1, height, width, channels]
 */
export function pictures(
  input: string,
  shape: readonly [number, number, number, number],
  count: number,
): Row[] {
  const channelsFirst = shape[1] <= 4;
  const [height, width, channels] = channelsFirst
    ? [shape[2], shape[3], shape[1]]
    : [shape[1], shape[2], shape[3]];
  return Array.from({length: count}, (_, picture) => {
    const random = createRandom(picture + 11);
    const paper = Array.from({length: channels}, () => 0.7 + 0.3 * random());
    const ink = Array.from({length: channels}, () => -0.9 + 0.4 * random());
    const dark = new Uint8Array(height * width);
    const lineHeight = 12 + Math.floor(20 * random());
    for (let top = 6; top + lineHeight < height; top += Math.floor(1.6 * lineHeight)) {
      for (let left = 8; left < width - 12; left += 3 + Math.floor(lineHeight * 0.5 * random())) {
        if (random() < 0.12) left += lineHeight;
        stroke(dark, width, height, left, top, lineHeight, random);
      }
    }
    const value = (channel: number, pixel: number): number =>
      (dark[pixel] ? ink[channel]! : paper[channel]!) + 0.06 * (random() - 0.5);
    const pixels = height * width;
    const data = Array.from({length: pixels * channels}, (__, at) =>
      channelsFirst
        ? value(Math.floor(at / pixels), at % pixels)
        : value(at % channels, Math.floor(at / channels)),
    );
    return {[input]: {shape, data}};
  });
}

/** A part of a letter: upright, slanted or lying, two pixels thick. */
function stroke(
  dark: Uint8Array,
  width: number,
  height: number,
  left: number,
  top: number,
  size: number,
  random: () => number,
): void {
  const slant = [0, 0, 0.4, -0.4, 1][Math.floor(5 * random())]!;
  const from = top + Math.floor(size * 0.4 * random());
  for (let y = from; y < top + size; y++) {
    const x = Math.round(left + slant * (y - from));
    const row = slant === 1 ? top + Math.floor(size / 2) : y;
    for (const column of [x, x + 1])
      if (column >= 0 && column < width && row < height) dark[row * width + column] = 1;
  }
}

const SENTENCES = [
  'the quick brown fox jumps over the lazy dog',
  'a small bird sings in the old garden near the river',
  'prices of oil rose again on monday as supply fell',
  'she wrote a long letter to her brother in london',
  'how do i reset the password of my account',
  'the model answers within a few seconds when it is warm',
  'children played football in the park until it was dark',
  'the court decided that the company had broken the law',
];

/** More of them, of many kinds and lengths. */
export const VARIED_SENTENCES = [
  'the recipe needs two eggs , a cup of milk and some flour',
  'heavy snow closed most of the roads in the north last night',
  'our train leaves at six in the morning from the central station',
  'you can return the shoes within thirty days if they do not fit',
  'scientists found water under the surface of the red planet',
  'what is the fastest way to sort a very large list of numbers',
  'he sold his house and moved to a quiet village by the sea',
  'the museum shows paintings of the nineteenth century until june',
  'my phone does not charge any more , please help me',
  'three people were hurt when a bus hit a wall in the city',
  'interest rates will stay low for the rest of the year , the bank said',
  'turn left at the second traffic light and walk past the church',
  'this film is far too long and the story makes no sense at all',
  'i love this book',
  'vaccines protect most children against serious disease',
  'the software crashes whenever i open a file with more than one page',
  'who won the world cup in 1998',
  'a good teacher speaks slowly and gives short answers',
  'the treaty was signed by twelve countries after years of difficult talks',
  'cheap flights to new york in april',
  'bees carry pollen from one flower to another and so help plants to grow',
  'the engine makes a strange noise when the car climbs a hill',
  'in 2008 many banks failed and thousands of workers lost their jobs',
  'could you send me the report before the meeting on friday afternoon',
  'the old king had no son , so the crown went to his younger sister',
  'stars are born in clouds of gas and dust',
  'mix the paint well and let the first coat dry for two hours',
  'no',
  'two men robbed a jewelry store in paris and escaped on a motorcycle',
  'the patient complained of pain in the chest and a high fever',
  'they danced all night to the music of a small jazz band',
  'a battery stores energy and gives it back when it is needed',
];

/** Sentences of words that a vocabulary has whole, as the tokens of a BERT. */
export async function sentences(
  vocabularyFile: string,
  texts: readonly string[] = SENTENCES,
): Promise<Row[]> {
  const words = (await readFile(vocabularyFile, 'utf8')).split('\n');
  const ids = new Map(words.map((word, id) => [word, id]));
  return texts.map((sentence) => {
    const tokens = ['[CLS]', ...sentence.split(' '), '[SEP]'].map((word) => {
      const id = ids.get(word);
      if (id === undefined) throw new Error(`the vocabulary has no ${word}`);
      return id;
    });
    const tensor = (data: number[]): RowTensor => ({shape: [1, tokens.length], data});
    return {
      input_ids: tensor(tokens),
      attention_mask: tensor(tokens.map(() => 1)),
      token_type_ids: tensor(tokens.map(() => 0)),
    };
  });
}
