const DAYS = ['SUN', 'MON', 'TUE', 'WED', 'THU', 'FRI', 'SAT', 'SUN'];

/**
 * Writes a cron expression of five fields as AWS does, with six: minute, hour, day of month, month, day of week, year.
 *
 * @returns null for one that AWS has no form for: it takes no day of the month and day of the week at once
 */
export function toAwsCron(cron: string): string | null {
  const fields = cron.trim().split(/\s+/);
  const [minute, hour, day, month, weekday] = fields;
  if (
    fields.length !== 5 ||
    minute === undefined ||
    hour === undefined ||
    day === undefined ||
    month === undefined ||
    weekday === undefined
  ) {
    return null;
  }
  if (day !== '*' && day !== '?' && weekday !== '*' && weekday !== '?') return null;
  const days = weekday === '*' || weekday === '?' ? '?' : weekdays(weekday);
  const dates = days === '?' ? (day === '?' ? '*' : day) : '?';
  return `cron(${minute} ${hour} ${dates} ${month.toUpperCase()} ${days} *)`;
}

/** Cron counts the days of the week from 0, AWS from 1: names mean the same to both. */
const weekdays = (field: string): string =>
  field
    .toUpperCase()
    .split(',')
    .map((part) => {
      const [range = '', step] = part.split('/');
      const names = range.replace(/\d/g, (digit) => DAYS[Number(digit)] ?? digit);
      return step === undefined ? names : `${names}/${step}`;
    })
    .join(',');
