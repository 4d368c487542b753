/**
 * The longest name that every provider takes as it is. Azure Container Apps is the narrowest: 2 to 32 characters,
 * lower case, a letter first, no two hyphens together. AWS Lambda would take 64, Cloud Run 49. One rule for all, so
 * that a function which runs at one provider never has to be renamed for the next.
 */
const LENGTH_MAX = 32;

/** What a function may be called, in words. */
export const FUNCTION_NAME_RULE =
  '2 to 32 lower-case letters, digits and single hyphens, a letter first and no hyphen last';

/** Whether this is a valid function name. */
export function isFunctionName(text: string): boolean {
  return text.length <= LENGTH_MAX && /^[a-z](-?[a-z0-9])+$/.test(text);
}

/** The valid function name that is nearest to any text; a valid one stays as it is. `Crédit Scoring!` → `credit-scoring`. */
export function toFunctionName(text: string): string {
  const words = text
    .normalize('NFKD')
    .replace(/\p{Mark}/gu, '')
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-+/, '');
  const name = (/^[a-z]/.test(words) ? words : `fn-${words}`).slice(0, LENGTH_MAX).replace(/-+$/, '');
  return name.length < 2 ? `fn-${name}` : name;
}
