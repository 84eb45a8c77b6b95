declare module "fast-formula-parser" {
  type Place = { row: number; col: number; sheet?: string };
  type Config = {
    onCell: (place: Place) => unknown;
    onRange: (range: { from: Place; to: Place; sheet?: string }) => unknown[][];
    onVariable?: (name: string) => unknown;
    functions?: Record<
      string,
      (
        ...args: { value: unknown; isArray: boolean; omitted?: boolean; isRangeRef?: boolean; isCellRef?: boolean }[]
      ) => unknown
    >;
  };
  class FormulaParser {
    constructor(config: Config);
    parse(formula: string, position: Place, allowReturnArray?: boolean): unknown;
    static FormulaError: new (name: string, message?: string) => Error;
    static SSF: { format(format: string, value: number): string };
  }
  export default FormulaParser;
}
