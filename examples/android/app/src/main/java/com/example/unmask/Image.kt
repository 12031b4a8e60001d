package com.example.unmask

import kotlin.math.ceil
import kotlin.math.floor
import kotlin.math.hypot
import kotlin.math.max
import kotlin.math.min
import kotlin.math.round

/** An image of bytes, row by row: RGB if it has three channels. */
class Image(
    val width: Int,
    val height: Int,
    val channels: Int = 3,
    val data: ByteArray = ByteArray(width * height * channels),
) {
    operator fun get(index: Int): Float = (data[index].toInt() and 255).toFloat()

    operator fun set(index: Int, value: Float) {
        data[index] = value.coerceIn(0f, 255f).toInt().toByte()
    }

    /** Copies a part; x1 and y1 are exclusive. */
    fun part(x0: Int, y0: Int, x1: Int, y1: Int): Image {
        val cut = Image(x1 - x0, y1 - y0, channels)
        for (y in y0 until y1) {
            val start = (y * width + x0) * channels
            data.copyInto(cut.data, (y - y0) * cut.width * channels, start, start + cut.width * channels)
        }
        return cut
    }
}

/** One channel of floats. */
class Plane(val width: Int, val height: Int, val data: FloatArray = FloatArray(width * height))

/** A place in pixels: x to the right, y down, whole numbers at pixel centers. */
data class Point(val x: Double, val y: Double)

/** The affine transform x' = ax + by + c, y' = dx + ey + f. */
data class Affine(
    val a: Double,
    val b: Double,
    val c: Double,
    val d: Double,
    val e: Double,
    val f: Double,
) {
    /** How many pixels of the source one pixel of the target spans, if this is a similarity. */
    val span: Double
        get() = 1 / hypot(a, d)

    operator fun invoke(p: Point) = Point(a * p.x + b * p.y + c, d * p.x + e * p.y + f)

    /** Applies another transform first. */
    fun after(o: Affine) = Affine(
        a * o.a + b * o.d, a * o.b + b * o.e, a * o.c + b * o.f + c,
        d * o.a + e * o.d, d * o.b + e * o.e, d * o.c + e * o.f + f,
    )

    fun inverse(): Affine {
        val scale = 1 / (a * e - b * d)
        val (a1, b1, d1, e1) = listOf(e * scale, -b * scale, -d * scale, a * scale)
        return Affine(a1, b1, -a1 * c - b1 * f, d1, e1, -d1 * c - e1 * f)
    }

    companion object {
        /** From the pixels of a resized image to those of the original: pixel edges stay edges. */
        fun resized(x: Double, y: Double) = Affine(x, 0.0, 0.5 * x - 0.5, 0.0, y, 0.5 * y - 0.5)

        fun shift(x: Int, y: Int) = Affine(1.0, 0.0, x.toDouble(), 0.0, 1.0, y.toDouble())
    }
}

/** Makes an image smaller: each pixel is the mean of what it covers. */
fun shrink(image: Image, width: Int, height: Int): Image {
    val small = Image(width, height, image.channels)
    // As OpenCV: halves round up if the image is halved, else to the even neighbor.
    val halved = image.width == 2 * width && image.height == 2 * height
    averages(image.width, image.height, image.channels, width, height, { image[it] }) { i, mean ->
        small[i] = if (halved) floor(mean + 0.5f) else round(mean)
    }
    return small
}

fun shrink(plane: Plane, width: Int, height: Int): Plane {
    val small = Plane(width, height)
    averages(plane.width, plane.height, 1, width, height, { plane.data[it] }) { i, mean ->
        small.data[i] = mean
    }
    return small
}

private inline fun averages(
    width: Int,
    height: Int,
    channels: Int,
    columns: Int,
    rows: Int,
    get: (Int) -> Float,
    set: (Int, Float) -> Unit,
) {
    val across = width.toDouble() / columns
    val down = height.toDouble() / rows
    val sums = DoubleArray(channels)
    var i = 0
    for (row in 0 until rows) {
        val top = row * down
        val bottom = min(top + down, height.toDouble())
        for (column in 0 until columns) {
            val left = column * across
            val right = min(left + across, width.toDouble())
            sums.fill(0.0)
            for (y in top.toInt() until ceil(bottom - 1e-6).toInt()) {
                val tall = min(y + 1.0, bottom) - max(y.toDouble(), top)
                for (x in left.toInt() until ceil(right - 1e-6).toInt()) {
                    val share = tall * (min(x + 1.0, right) - max(x.toDouble(), left))
                    val place = (y * width + x) * channels
                    for (k in 0 until channels) sums[k] += share * get(place + k)
                }
            }
            val area = (bottom - top) * (right - left)
            for (k in 0 until channels) set(i++, (sums[k] / area).toFloat())
        }
    }
}

/** Resizes by linear interpolation, with OpenCV's weights of 11 bits. */
fun resize(image: Image, width: Int, height: Int): Image {
    val resized = Image(width, height, image.channels)
    val columns = List(width) { Neighbors(image.width, width, it, true) }
    var i = 0
    for (y in 0 until height) {
        val row = Neighbors(image.height, height, y, false)
        for (column in columns) for (k in 0 until image.channels) {
            fun at(line: Int): Int {
                fun pixel(x: Int) = image[(line * image.width + x) * image.channels + k].toInt()
                return (pixel(column.low) * column.near + pixel(column.high) * column.far) shr 4
            }
            val sum = ((row.near * at(row.low)) shr 16) + ((row.far * at(row.high)) shr 16)
            resized.data[i++] = ((sum + 2) shr 2).toByte()
        }
    }
    return resized
}

/** The two neighbors of a pixel of a resized side, and their weights. */
private class Neighbors(size: Int, count: Int, index: Int, columns: Boolean) {
    private val place = ((index + 0.5) * size / count - 0.5).toFloat()
    private val left = floor(place).toInt()
    private val share = if (columns && (left < 0 || left >= size - 1)) 0f else place - left
    val low = left.coerceIn(0, size - 1)
    val high = (left + 1).coerceIn(0, size - 1)
    val near = round((1 - share) * 2048).toInt()
    val far = round(share * 2048).toInt()
}

/**
 * Warps an image by linear interpolation; outside the image its border is repeated.
 *
 * The floats and their roundings are OpenCV's: int8 networks differ by 10 dB if one pixel in ten
 * thousand does.
 *
 * @param toImage From the result's pixels to the image's.
 */
fun warp(image: Image, toImage: Affine, width: Int, height: Int): Image {
    val warped = Image(width, height, image.channels)
    val (a, b, c, d, e, f) = toImage
    var i = 0
    for (y in 0 until height) for (x in 0 until width) {
        val placeX = fused(b.toFloat() * y + c.toFloat(), a.toFloat(), x.toFloat())
        val placeY = fused(e.toFloat() * y + f.toFloat(), d.toFloat(), x.toFloat())
        val left = floor(placeX).toInt()
        val top = floor(placeY).toInt()
        val u = placeX - left
        val v = placeY - top
        val x0 = left.coerceIn(0, image.width - 1)
        val x1 = (left + 1).coerceIn(0, image.width - 1)
        val y0 = top.coerceIn(0, image.height - 1) * image.width
        val y1 = (top + 1).coerceIn(0, image.height - 1) * image.width
        for (k in 0 until image.channels) {
            fun at(pixel: Int) = image[pixel * image.channels + k]
            val upper = fused(at(y0 + x0), u, at(y0 + x1) - at(y0 + x0))
            val lower = fused(at(y1 + x0), u, at(y1 + x1) - at(y1 + x0))
            warped[i++] = round(fused(upper, v, lower - upper))
        }
    }
    return warped
}

/** Returns sum + a * b with one rounding. */
private fun fused(sum: Float, a: Float, b: Float) = (sum + a.toDouble() * b).toFloat()

/** Returns a plane's value at a place by linear interpolation; outside it is 0. */
fun sample(plane: Plane, place: Point): Float {
    val left = floor(place.x).toInt()
    val top = floor(place.y).toInt()
    val u = (place.x - left).toFloat()
    val v = (place.y - top).toFloat()
    fun at(x: Int, y: Int): Float =
        if (x in 0 until plane.width && y in 0 until plane.height) plane.data[y * plane.width + x] else 0f
    val upper = at(left, top) + u * (at(left + 1, top) - at(left, top))
    val lower = at(left, top + 1) + u * (at(left + 1, top + 1) - at(left, top + 1))
    return upper + v * (lower - upper)
}

/** Reads an image's RGB at a place by cubic interpolation; outside its border is repeated. */
fun sampleCubic(image: Image, place: Point, rgb: FloatArray) {
    val left = floor(place.x).toInt()
    val top = floor(place.y).toInt()
    val across = cubicWeights(place.x - left)
    val down = cubicWeights(place.y - top)
    rgb.fill(0f)
    for (row in 0..3) {
        val y = (top + row - 1).coerceIn(0, image.height - 1) * image.width
        for (column in 0..3) {
            val pixel = y + (left + column - 1).coerceIn(0, image.width - 1)
            val weight = (down[row] * across[column]).toFloat()
            for (k in 0..2) rgb[k] += weight * image[3 * pixel + k]
        }
    }
    for (k in 0..2) rgb[k] = round(rgb[k]).coerceIn(0f, 255f)
}

/** Weights of four neighbors, the second of which is t to the left; the slope is -0.75. */
private fun cubicWeights(t: Double): DoubleArray {
    fun outer(d: Double) = ((-0.75 * d + 3.75) * d - 6.0) * d + 3.0
    fun inner(d: Double) = (1.25 * d - 2.25) * d * d + 1.0
    val weights = doubleArrayOf(outer(t + 1), inner(t), inner(1 - t), 0.0)
    weights[3] = 1 - weights.sum()
    return weights
}
