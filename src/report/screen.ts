/** Colours a text, or leaves it as it is. */
type Paint = (text: string) => string;

/** Where the report is shown. */
export interface Screen {
  /** Columns. */
  readonly width: number;
  /** Whether it can show block characters, dashes and dots. */
  readonly unicode: boolean;
  readonly paint: {
    readonly bold: Paint;
    readonly dim: Paint;
    readonly good: Paint;
    readonly warn: Paint;
    readonly accent: Paint;
  };
}
