package com.example.unmask

import kotlin.math.ceil
import kotlin.math.floor
import kotlin.math.max
import kotlin.math.min
import kotlin.math.round

const val CROP_SIZE = 256

/** Removes the masks from all faces of a photo, in place; returns how many. */
fun unmask(photo: Image, networks: Networks): Int {
    // Steps 1 to 3: letterbox and detect, decode and suppress, align.
    val faces = locate(photo, networks)
    // Step 4: crop.
    val matrices = faces.map { cropMatrix(it.points[0], it.points[1]) }
    val crops = matrices.map { cropOf(photo, it, CROP_SIZE) }
    // Step 5: run and paste.
    var unmasked = 0
    for ((crop, matrix) in crops.zip(matrices)) {
        val filled = networks.unmask(crop)
        if (!isMasked(filled.mask)) continue
        paste(photo, filled, matrix)
        unmasked += 1
    }
    return unmasked
}

/** Returns the similarity from photo to crop that moves the eyes to (98, 112) and (158, 112). */
fun cropMatrix(left: Point, right: Point): Affine {
    val dx = right.x - left.x
    val dy = right.y - left.y
    val squared = dx * dx + dy * dy
    require(squared >= 1) { "the eyes $left and $right are less than one pixel apart" }
    val a = 60 * dx / squared
    val b = -60 * dy / squared
    return Affine(a, -b, 98 - a * left.x + b * left.y, b, a, 112 - b * left.x - a * left.y)
}

/** Cuts a crop out of a photo; a face larger than the crop is averaged, so that nothing aliases. */
fun cropOf(photo: Image, matrix: Affine, size: Int): Image {
    val factor = max(1, matrix.span.toInt())
    // The part around the crop, where averaging reads one more pixel of the crop.
    var (x0, y0, x1, y1) = bounds(photo, matrix, -1.0, -1.0, size.toDouble(), size.toDouble(), 2 + 2 * matrix.span)
    x0 = min(x0, photo.width - 1)
    y0 = min(y0, photo.height - 1)
    x1 = max(x1, x0 + 1)
    y1 = max(y1, y0 + 1)
    val columns = max(1, (x1 - x0) / factor)
    val rows = max(1, (y1 - y0) / factor)
    // Whole blocks; what is left out lies beyond the crop or is less than one of its pixels.
    if (min(x1 - x0, y1 - y0) >= factor) {
        x1 = x0 + columns * factor
        y1 = y0 + rows * factor
    }
    val part = photo.part(x0, y0, x1, y1)
    val small = if (factor == 1) part else shrink(part, columns, rows)
    val grow = Affine.resized((x1 - x0).toDouble() / columns, (y1 - y0).toDouble() / rows)
    val toCrop = matrix.after(Affine.shift(x0, y0)).after(if (factor == 1) Affine.shift(0, 0) else grow)
    return warp(small, toCrop.inverse(), size, size)
}

/** A face is masked if 1 % of its crop is. */
fun isMasked(mask: Image): Boolean = mask.data.count { it < 0 } >= 0.01 * mask.data.size

/** Blends an unmasked crop into the photo, in place, where the mask was. */
fun paste(photo: Image, filled: Filled, matrix: Affine) {
    var crop = filled.unmasked
    var opacity = opacityOf(filled.mask)
    val shown = opacity.data.indices.filter { opacity.data[it] > 0 }
    if (shown.isEmpty()) return
    var toCrop = matrix
    var padding = 1.0
    val small = min(CROP_SIZE, max(1, round(CROP_SIZE * matrix.span).toInt()))
    if (small < CROP_SIZE) {
        // A face smaller than the crop: averaged, so that nothing aliases.
        crop = shrink(crop, small, small)
        opacity = shrink(opacity, small, small)
        val factor = small.toDouble() / CROP_SIZE
        toCrop = Affine.resized(factor, factor).after(matrix)
        padding += ceil(1 / factor)
    }
    val (x0, y0, x1, y1) = bounds(
        photo, matrix,
        shown.minOf { it % CROP_SIZE } - padding, shown.first() / CROP_SIZE - padding,
        shown.maxOf { it % CROP_SIZE } + 1 + padding, shown.last() / CROP_SIZE + 1 + padding, 1.0,
    )
    val rgb = FloatArray(3)
    for (y in y0 until y1) for (x in x0 until x1) {
        val place = toCrop(Point(x.toDouble(), y.toDouble()))
        val alpha = sample(opacity, place)
        if (alpha <= 0) continue
        sampleCubic(crop, place, rgb)
        val i = 3 * (y * photo.width + x)
        for (k in 0..2) photo[i + k] = round(photo[i + k] + (rgb[k] - photo[i + k]) * alpha)
    }
}

/** Returns the opacity of a crop: 1 on the mask, fading out around it and at the crop's edge. */
fun opacityOf(mask: Image): Plane {
    val size = mask.width
    val wide = Plane(size, size)
    // Widened by an ellipse of 9 x 9 pixels: half its width in each of its rows.
    val reach = intArrayOf(0, 3, 3, 4, 4, 4, 3, 3, 0)
    for (y in 0 until size) for (x in 0 until size) {
        if (mask[y * size + x] < 8) continue
        for (row in max(y - 4, 0)..min(y + 4, size - 1)) {
            val half = reach[row - y + 4]
            wide.data.fill(1f, row * size + max(x - half, 0), row * size + min(x + half, size - 1) + 1)
        }
    }
    val soft = blurRows(blurRows(wide))
    val fade = FloatArray(size) { min(min(it, size - 1 - it) / 10f, 1f) }.map { it * it * (3 - 2 * it) }
    for (y in 0 until size) for (x in 0 until size) soft.data[y * size + x] *= min(fade[x], fade[y])
    return soft
}

/** Blurs along rows with the weights 1 4 6 4 1 and a mirrored border; returns the transpose. */
private fun blurRows(plane: Plane): Plane {
    val size = plane.width
    val blurred = Plane(size, size)
    for (y in 0 until size) for (x in 0 until size) {
        fun at(column: Int): Float {
            val inside = if (column < 0) -column else if (column >= size) 2 * size - 2 - column else column
            return plane.data[y * size + inside]
        }
        blurred.data[x * size + y] = (at(x - 2) + at(x + 2) + 4 * (at(x - 1) + at(x + 1)) + 6 * at(x)) / 16
    }
    return blurred
}

/** Returns where a part of the crop lies in the photo: x0, y0, x1, y1, the last two exclusive. */
private fun bounds(
    photo: Image,
    matrix: Affine,
    left: Double,
    top: Double,
    right: Double,
    bottom: Double,
    padding: Double,
): List<Int> {
    val toPhoto = matrix.inverse()
    val corners = listOf(Point(left, top), Point(right, top), Point(right, bottom), Point(left, bottom)).map { toPhoto(it) }
    return listOf(
        floor(corners.minOf { it.x } - padding).toInt().coerceIn(0, photo.width),
        floor(corners.minOf { it.y } - padding).toInt().coerceIn(0, photo.height),
        (ceil(corners.maxOf { it.x } + padding).toInt() + 1).coerceIn(0, photo.width),
        (ceil(corners.maxOf { it.y } + padding).toInt() + 1).coerceIn(0, photo.height),
    )
}
