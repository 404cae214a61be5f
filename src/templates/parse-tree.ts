/** The parts of Handlebars' syntax tree that `parse.ts` reads. */
import type { Position } from './syntax.ts';

/** A node, which says its type and position. */
export interface HbNode {
  readonly type: string;
  readonly loc: { readonly start: Position };
}
/** The content of a text or of a block. */
export interface HbProgram {
  readonly body: readonly HbNode[];
  readonly blockParams?: readonly string[];
}
/** A name such as `data.rows`. */
export interface HbPath extends HbNode {
  readonly data: boolean;
  readonly depth: number;
  readonly parts: readonly string[];
  readonly original: string;
}
/** A text, number or boolean. */
export interface HbLiteral extends HbNode {
  readonly value: string | number | boolean;
}
/** A helper with its arguments. */
export interface HbCall extends HbNode {
  readonly path: HbPath | HbLiteral;
  readonly params: readonly HbNode[];
  readonly hash?: { readonly pairs: readonly { readonly key: string; readonly value: HbNode }[] };
}
/** A placeholder. */
export interface HbMustache extends HbCall {
  readonly escaped: boolean;
}
/** A block with its `else`. */
export interface HbBlock extends HbCall {
  readonly program?: HbProgram;
  readonly inverse?: HbProgram;
}
