/**
 * Measures how a face moved between two crops, to a tenth of a pixel.
 *
 * The package for Python follows corners by optical flow and fits a similarity with RANSAC; here
 * the similarity is fitted to all pixels of the face at once (Baker and Matthews, *Lucas-Kanade 20
 * Years On*, 2004: inverse compositional, with robust weights), which needs no other library.
 */

/** Side of the crops in which motion is measured, in pixels. */
export const SIDE = 128;
// The part of the crop that is face (including a mask) and not background: center and half axes.
const CENTER = [64, 72];
const AXES = [36, 50];
// Each level halves the crop: motion of up to a tenth of the crop is found.
const LEVELS = 3;
const ITERATIONS = 12;
// Steps smaller than this, in pixels of the level, end a level.
const FINE = 0.005;
// Differences of brightness, of 255, beyond which a pixel counts less, and beyond which it is taken
// not to have moved with the face; at least this fraction must have.
const HUBER = 6;
const LARGEST_DIFFERENCE = 14;
const MIN_SHARE = 0.7;
// Mean squared gradient, of 255 per pixel, in the direction with the least of it: with less, the
// face is too plain to measure.
const LEAST_TEXTURE = 2;
// Most motion that is believed: shift in pixels of `SIDE`, and change of scale or angle.
const MAX_SHIFT = 24;
const MAX_CHANGE = 0.25;

/**
 * Measures how a face moved between two crops.
 *
 * @param {Uint8Array} before `SIDE * SIDE` gray values of a frame's crop.
 * @param {Uint8Array} after The same of the next frame.
 * @returns {Float64Array | null} Similarity transform `[a, b, c, d, e, f]` from `before` to
 *     `after`; `null` if it cannot be measured.
 */
export function cropMotion(before, after) {
  const pyramids = [pyramid(before), pyramid(after)];
  // Scale and rotation minus identity, and shift of the center, in pixels of the level.
  let motion = [0, 0, 0, 0];
  for (let level = LEVELS - 1; level >= 0; level--) {
    motion = [motion[0], motion[1], 2 * motion[2], 2 * motion[3]];
    const found = align(pyramids[0][level], pyramids[1][level], SIDE >> level, motion);
    if (found === null) return null;
    motion = found;
  }
  const [a, b, x, y] = motion;
  if (Math.hypot(x, y) > MAX_SHIFT || Math.hypot(a, b) > MAX_CHANGE) return null;
  const [cx, cy] = CENTER;
  return Float64Array.of(
    1 + a, -b, cx + x - (1 + a) * cx + b * cy,
    b, 1 + a, cy + y - b * cx - (1 + a) * cy,
  );
}

/**
 * Returns how alike the faces of two crops are, whatever their light: 1 if they are the same.
 *
 * @param {Uint8Array} one `SIDE * SIDE` gray values.
 * @param {Uint8Array} other
 */
export function correlation(one, other) {
  let [count, a, b, aa, bb, ab] = [0, 0, 0, 0, 0, 0];
  for (let row = 0; row < SIDE; row++) {
    for (let column = 0; column < SIDE; column++) {
      const x = (column - CENTER[0]) / AXES[0];
      const y = (row - CENTER[1]) / AXES[1];
      if (x * x + y * y > 1) continue;
      const [p, q] = [one[row * SIDE + column], other[row * SIDE + column]];
      count += 1;
      a += p;
      b += q;
      aa += p * p;
      bb += q * q;
      ab += p * q;
    }
  }
  const product = Math.sqrt((aa - (a * a) / count) * (bb - (b * b) / count));
  return product > 0 ? (ab - (a * b) / count) / product : 0;
}

/**
 * Fits the motion at one level of the pyramids.
 *
 * @param {Float32Array} before
 * @param {Float32Array} after
 * @param {number} side
 * @param {number[]} start
 * @returns {number[] | null}
 */
function align(before, after, side, start) {
  const face = facePixels(before, side);
  let [a, b, tx, ty] = start;
  const count = face.place.length;
  const difference = new Float64Array(count);
  const [cx, cy] = center(side);
  for (let iteration = 0; ; iteration++) {
    let inside = 0;
    let mean = 0;
    for (let i = 0; i < count; i++) {
      const x = face.x[i];
      const y = face.y[i];
      const value = sample(after, side, cx + tx + (1 + a) * x - b * y, cy + ty + b * x + (1 + a) * y);
      difference[i] = value - before[face.place[i]];
      if (!Number.isNaN(value)) {
        inside++;
        mean += difference[i];
      }
    }
    if (inside < count / 2) return null;
    // The light on the face may have changed.
    mean /= inside;
    let agree = 0;
    const normal = new Float64Array(16);
    const goal = new Float64Array(4);
    for (let i = 0; i < count; i++) {
      const d = difference[i] - mean;
      if (Number.isNaN(d)) continue;
      const size = Math.abs(d);
      if (size <= LARGEST_DIFFERENCE) agree++;
      const weight = size <= HUBER ? 1 : HUBER / size;
      for (let r = 0; r < 4; r++) {
        const slope = weight * face.slopes[4 * i + r];
        goal[r] += slope * d;
        for (let c = r; c < 4; c++) normal[4 * r + c] += slope * face.slopes[4 * i + c];
      }
    }
    if (iteration === ITERATIONS) return agree >= MIN_SHARE * count ? [a, b, tx, ty] : null;
    if (leastTexture(normal, count) < LEAST_TEXTURE) return null;
    const step = solve(normal, goal);
    if (step === null) return null;
    // The inverse of the step, then the motion so far: (1 + m) / (1 + s), as complex numbers.
    const [sa, sb, sx, sy] = step;
    const power = (1 + sa) ** 2 + sb ** 2;
    const na = ((1 + a) * (1 + sa) + b * sb) / power;
    const nb = (b * (1 + sa) - (1 + a) * sb) / power;
    tx -= na * sx - nb * sy;
    ty -= nb * sx + na * sy;
    a = na - 1;
    b = nb;
    const moved = Math.hypot(sx, sy) + Math.hypot(sa, sb) * AXES[1] * (side / SIDE);
    if (moved < FINE) iteration = ITERATIONS - 1;
  }
}

/** @param {number} side */
function center(side) {
  // Pixel edges, not centers, keep their position when the size changes.
  return CENTER.map((value) => ((value + 0.5) * side) / SIDE - 0.5);
}

/**
 * Returns the pixels of the face: their index, their place from the center, and how their value
 * changes with the four parameters.
 *
 * @param {Float32Array} image
 * @param {number} side
 */
function facePixels(image, side) {
  const [cx, cy] = center(side);
  const scale = side / SIDE;
  const place = [];
  const xs = [];
  const ys = [];
  const slopes = [];
  for (let row = 1; row < side - 1; row++) {
    for (let column = 1; column < side - 1; column++) {
      const x = column - cx;
      const y = row - cy;
      if ((x / (AXES[0] * scale)) ** 2 + (y / (AXES[1] * scale)) ** 2 >= 1) continue;
      const i = row * side + column;
      const gx = (image[i + 1] - image[i - 1]) / 2;
      const gy = (image[i + side] - image[i - side]) / 2;
      place.push(i);
      xs.push(x);
      ys.push(y);
      slopes.push(gx * x + gy * y, gy * x - gx * y, gx, gy);
    }
  }
  return { place, x: xs, y: ys, slopes: Float64Array.from(slopes) };
}

/**
 * Returns the lesser eigenvalue of the mean squared gradient.
 *
 * @param {Float64Array} normal
 * @param {number} count
 */
function leastTexture(normal, count) {
  const xx = normal[10] / count;
  const xy = normal[11] / count;
  const yy = normal[15] / count;
  return (xx + yy) / 2 - Math.hypot((xx - yy) / 2, xy);
}

/**
 * Solves a symmetric system of four equations whose upper triangle is given; `null` if singular.
 *
 * @param {Float64Array} normal Row by row.
 * @param {Float64Array} goal
 */
function solve(normal, goal) {
  const rows = [0, 1, 2, 3].map((r) => [
    ...[0, 1, 2, 3].map((c) => normal[4 * Math.min(r, c) + Math.max(r, c)]),
    goal[r],
  ]);
  for (let pivot = 0; pivot < 4; pivot++) {
    if (rows[pivot][pivot] < 1e-9) return null;
    for (let r = pivot + 1; r < 4; r++) {
      const factor = rows[r][pivot] / rows[pivot][pivot];
      for (let c = pivot; c <= 4; c++) rows[r][c] -= factor * rows[pivot][c];
    }
  }
  const solution = [0, 0, 0, 0];
  for (let r = 3; r >= 0; r--) {
    let value = rows[r][4];
    for (let c = r + 1; c < 4; c++) value -= rows[r][c] * solution[c];
    solution[r] = value / rows[r][r];
  }
  return solution;
}

/**
 * Returns the value between four pixels; not a number outside the image.
 *
 * @param {Float32Array} image
 * @param {number} side
 * @param {number} x
 * @param {number} y
 */
function sample(image, side, x, y) {
  if (!(x >= 0 && y >= 0 && x <= side - 1 && y <= side - 1)) return Number.NaN;
  const left = Math.min(Math.floor(x), side - 2);
  const top = Math.min(Math.floor(y), side - 2);
  const u = x - left;
  const v = y - top;
  const i = top * side + left;
  const above = image[i] + u * (image[i + 1] - image[i]);
  const below = image[i + side] + u * (image[i + side + 1] - image[i + side]);
  return above + v * (below - above);
}

/**
 * Returns a crop at full, half and quarter size, each smoothed a little against noise.
 *
 * @param {Uint8Array} crop
 */
function pyramid(crop) {
  const levels = [smoothed(Float32Array.from(crop), SIDE)];
  for (let level = 1; level < LEVELS; level++) {
    levels.push(halved(levels[level - 1], SIDE >> (level - 1)));
  }
  return levels;
}

/**
 * @param {Float32Array} image
 * @param {number} side
 */
function halved(image, side) {
  const half = side >> 1;
  const small = new Float32Array(half * half);
  for (let y = 0; y < half; y++) {
    for (let x = 0; x < half; x++) {
      const i = 2 * (y * side + x);
      small[y * half + x] = (image[i] + image[i + 1] + image[i + side] + image[i + side + 1]) / 4;
    }
  }
  return small;
}

/**
 * Blurs by 1-2-1 in both directions.
 *
 * @param {Float32Array} image
 * @param {number} side
 */
function smoothed(image, side) {
  const rows = new Float32Array(image.length);
  const result = new Float32Array(image.length);
  const last = side - 1;
  for (let y = 0; y < side; y++) {
    for (let x = 0; x < side; x++) {
      const i = y * side + x;
      rows[i] = (image[x ? i - 1 : i] + 2 * image[i] + image[x < last ? i + 1 : i]) / 4;
    }
  }
  for (let y = 0; y < side; y++) {
    for (let x = 0; x < side; x++) {
      const i = y * side + x;
      result[i] = (rows[y ? i - side : i] + 2 * rows[i] + rows[y < last ? i + side : i]) / 4;
    }
  }
  return result;
}
