const threshold = Number(process.env.THRESHOLD ?? 0.5);

/**
 * Answers {"prediction": 0.2988…, "risk": "good"}: the probability that this credit turns out bad. `model.run` holds
 * the input to the model's shape, so that anything but 20 numbers is answered with what was expected.
 */
export async function predict(input, {model}) {
  const {probability} = await model.run({features: [input?.features ?? []]});
  const prediction = probability.data[0];
  return {prediction, risk: prediction < threshold ? 'good' : 'bad'};
}
