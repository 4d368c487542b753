/** Text that is HTML already. Everything else is escaped where it is put into some. */
export class Markup {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

/** What can be put into HTML. Null and false are nothing. */
export type Content = Markup | string | number | null | false | readonly Content[];

/** HTML from a template: what is filled in is escaped, unless it is Markup itself. */
export function html(strings: TemplateStringsArray, ...values: readonly Content[]): Markup {
  return new Markup(strings.reduce((text, next, i) => text + render(values[i - 1] ?? null) + next));
}

function render(content: Content): string {
  if (content === null || content === false) return '';
  if (content instanceof Markup) return content.text;
  if (typeof content === 'object') return content.map(render).join('');
  return escape(String(content));
}

/** Characters that no text of a page needs: controls, halves of a pair, and those that turn what follows around. */
const UNSHOWABLE =
  /(?![\t\n\r])[\p{Control}\p{Surrogate}\p{Noncharacter_Code_Point}\u202a-\u202e\u2066-\u2069]/gu;

const ENTITIES: {readonly [character: string]: string} = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

const escape = (text: string): string =>
  text.replaceAll(UNSHOWABLE, '\ufffd').replaceAll(/[&<>"']/g, (character) => ENTITIES[character] ?? '');
