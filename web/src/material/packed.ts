// Numbers of matrices in 16 bits, as softmode.report packs them.

import type { Packed } from "../contract";

/** Rows of a packed matrix. */
export function decode(packed: Packed): Float64Array[] {
  const [rows, columns] = packed.shape;
  const binary = atob(packed.data);
  if (binary.length !== 2 * rows * columns) {
    throw new Error(`${binary.length} bytes are no ${rows} × ${columns} numbers of 16 bits`);
  }
  const matrix: Float64Array[] = [];
  for (let row = 0; row < rows; row++) {
    const line = new Float64Array(columns);
    let whole = 0;
    for (let column = 0; column < columns; column++) {
      const at = 2 * (row * columns + column);
      const bits = binary.charCodeAt(at) | (binary.charCodeAt(at + 1) << 8);
      whole = packed.delta ? (whole + bits) & 0xffff : bits;
      line[column] = packed.offset + packed.scale * ((whole << 16) >> 16);
    }
    matrix.push(line);
  }
  return matrix;
}
