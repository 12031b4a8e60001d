package com.example.unmask

import kotlin.math.ceil
import kotlin.math.exp
import kotlin.math.floor
import kotlin.math.hypot
import kotlin.math.ln
import kotlin.math.max
import kotlin.math.min
import kotlin.math.pow
import kotlin.math.round
import kotlin.math.sqrt

/** What runs the three networks. */
interface Networks {
    /** Takes 352 x 352 pixels. */
    fun detect(tile: Image): Maps

    /** Takes 112 x 112 pixels. */
    fun align(crop: Image): Aligned

    /** Takes 256 x 256 pixels. */
    fun unmask(crop: Image): Filled
}

/** Outputs of the detector: `heat` has a value for each cell of 8 x 8 pixels, `box` four. */
class Maps(val width: Int, val height: Int, val heat: FloatArray, val box: FloatArray)

/** Outputs of the aligner: x and y of five points in crop sides, and the score. */
class Aligned(val points: FloatArray, val score: Float)

/** Outputs of the unmasker: RGB and one channel. */
class Filled(val unmasked: Image, val mask: Image)

data class Box(val x0: Double, val y0: Double, val x1: Double, val y1: Double) {
    val area: Double
        get() = (x1 - x0) * (y1 - y0)
}

/** A face: its points are the left and right eye in the image, nose, left and right mouth corner. */
class Face(val box: Box, val points: List<Point>, val score: Double)

const val TILE = 352
const val ALIGN_SIZE = 112
private const val EDGE = 48
private const val CELL = 8
private const val STRIDE = 32
private const val BORDER = 16
private const val GRAY: Byte = 127
private const val MIN_HEAT = 0.36f
private const val MIN_SCORE = 0.6
private const val MIN_FACE = 30.0
private const val MAX_FACES = 256
const val MAX_OVERLAP = 0.4
private val TEMPLATE = listOf(0.33 to 0.34, 0.67 to 0.34, 0.5 to 0.56, 0.35 to 0.694, 0.65 to 0.694)
    .map { (x, y) -> Point(x * ALIGN_SIZE - 0.5, y * ALIGN_SIZE - 0.5) }

/** Finds the faces of a photo, masked or not; large and confident ones first. */
fun locate(photo: Image, networks: Networks): List<Face> {
    val boxes = mutableListOf<Box>()
    val heats = mutableListOf<Double>()
    val halves = mutableListOf(photo)
    for (scale in detectorScales(photo.width, photo.height)) {
        val (canvas, toPhoto) = letterbox(halves, scale)
        val (found, heat) = decode(detectTiled(canvas, networks))
        found.map { move(it, toPhoto) }.forEachIndexed { i, box ->
            if (sqrt(box.area) >= MIN_FACE) {
                boxes += box
                heats += heat[i]
            }
        }
    }
    val faces = nms(boxes, heats, MAX_OVERLAP).take(MAX_FACES).map { i ->
        val (x0, y0, x1, y1) = boxes[i]
        val first = align(photo, boxMatrix(Box(round8(x0), round8(y0), round8(x1), round8(y1))), networks)
        val (points, score) = align(photo, pointsMatrix(first.first), networks)
        Face(boxes[i], points, sqrt(score * heats[i]))
    }.filter { it.score >= MIN_SCORE }
    // Two boxes may lead to the same eyes.
    val around = faces.map { face ->
        val (left, right) = face.points
        val side = hypot(right.x - left.x, right.y - left.y)
        val middle = Point((left.x + right.x) / 2, (left.y + right.y) / 2)
        Box(middle.x - side, middle.y - side, middle.x + side, middle.y + side)
    }
    return nms(around, faces.map { it.score }, MAX_OVERLAP).map { faces[it] }
        .sortedByDescending { it.score * sqrt(it.box.area) }
}

/** Returns the scales at which the detector sees a photo, smallest first. */
fun detectorScales(width: Int, height: Int): List<Double> {
    val longest = max(width, height).toDouble()
    val coarse = min(1.0, 288 / longest)
    val fine = min(0.4, 1664 / longest)
    if (coarse >= fine) return listOf(coarse)
    if (min(width, height) * fine <= 288) return listOf(fine)
    val steps = ceil(ln(fine / coarse) / ln(6.0)).toInt()
    return (0..steps).map { coarse * (fine / coarse).pow(it.toDouble() / steps) }
}

/**
 * Downsamples a photo and pads it with gray, to sides that are multiples of 32.
 *
 * @param halves The photo, then its halves as computed for other scales; more are appended.
 * @return The canvas, and the transform from its pixels to the photo's.
 */
fun letterbox(halves: MutableList<Image>, scale: Double): Pair<Image, Affine> {
    val photo = halves[0]
    val width = max(1, round(photo.width * scale).toInt())
    val height = max(1, round(photo.height * scale).toInt())
    // Halved first, which avoids aliasing.
    var level = 0
    var rest = scale
    while (rest <= 0.5 && min(halves[level].width, halves[level].height) > 1) {
        val image = halves[level++]
        if (level == halves.size) halves += shrink(image, image.width / 2, image.height / 2)
        rest *= 2
    }
    val image = halves[level]
    val small = if (image.width == width && image.height == height) image else resize(image, width, height)
    fun padded(side: Int) = (side + 2 * BORDER + STRIDE - 1) / STRIDE * STRIDE
    val canvas = Image(padded(width), padded(height))
    canvas.data.fill(GRAY)
    for (y in 0 until height) {
        val start = 3 * ((y + BORDER) * canvas.width + BORDER)
        small.data.copyInto(canvas.data, start, 3 * y * width, 3 * (y + 1) * width)
    }
    val grow = Affine.resized(photo.width.toDouble() / width, photo.height.toDouble() / height)
    return canvas to grow.after(Affine.shift(-BORDER, -BORDER))
}

/** Runs the detector, whose input has a fixed size, on overlapping tiles of a canvas. */
fun detectTiled(canvas: Image, networks: Networks): Maps {
    val columns = canvas.width / CELL
    val maps = Maps(
        columns, canvas.height / CELL,
        FloatArray(columns * canvas.height / CELL), FloatArray(4 * columns * canvas.height / CELL),
    )
    for (top in tileStarts(canvas.height)) for (left in tileStarts(canvas.width)) {
        val tile = Image(TILE, TILE)
        tile.data.fill(GRAY)
        val part = canvas.part(left, top, min(left + TILE, canvas.width), min(top + TILE, canvas.height))
        for (y in 0 until part.height) {
            part.data.copyInto(tile.data, 3 * y * TILE, 3 * y * part.width, 3 * (y + 1) * part.width)
        }
        val found = networks.detect(tile)
        // Values near an inner edge are the neighbor's, which sees more around them.
        for (row in innerCells(top, canvas.height)) for (column in innerCells(left, canvas.width)) {
            val from = (row - top / CELL) * (TILE / CELL) + column - left / CELL
            val to = row * columns + column
            maps.heat[to] = found.heat[from]
            found.box.copyInto(maps.box, 4 * to, 4 * from, 4 * from + 4)
        }
    }
    return maps
}

private fun tileStarts(length: Int): List<Int> {
    if (length <= TILE) return listOf(0)
    val count = ceil((length - 2.0 * EDGE) / (TILE - 2 * EDGE)).toInt()
    return (0 until count).map {
        round(it.toDouble() * (length - TILE) / (count - 1) / STRIDE).toInt() * STRIDE
    }
}

private fun innerCells(start: Int, length: Int): IntRange {
    val low = if (start == 0) 0 else start + EDGE
    val high = if (start + TILE >= length) length else start + TILE - EDGE
    return low / CELL until high / CELL
}

/** Returns a box for each local maximum of the heat, in pixels of the canvas, and its heat. */
fun decode(maps: Maps): Pair<List<Box>, List<Double>> {
    val boxes = mutableListOf<Box>()
    val heats = mutableListOf<Double>()
    for (row in 0 until maps.height) for (column in 0 until maps.width) {
        val cell = row * maps.width + column
        val heat = maps.heat[cell]
        if (heat < MIN_HEAT || !isPeak(maps, row, column)) continue
        val (dx, dy, logWidth, logHeight) = List(4) { maps.box[4 * cell + it].toDouble() }
        val width = CELL * exp(logWidth.coerceIn(-8.0, 8.0))
        val height = CELL * exp(logHeight.coerceIn(-8.0, 8.0))
        val x = (column + 0.5) * CELL - 0.5 + dx * width
        val y = (row + 0.5) * CELL - 0.5 + dy * height
        boxes += Box(x - width / 2, y - height / 2, x + width / 2, y + height / 2)
        heats += heat.toDouble()
    }
    return boxes to heats
}

private fun isPeak(maps: Maps, row: Int, column: Int): Boolean {
    val heat = maps.heat[row * maps.width + column]
    for (y in max(row - 1, 0)..min(row + 1, maps.height - 1)) {
        for (x in max(column - 1, 0)..min(column + 1, maps.width - 1)) {
            if (maps.heat[y * maps.width + x] > heat) return false
        }
    }
    return true
}

/** Of boxes that overlap, keeps the one with the highest score; returns their indices, best first. */
fun nms(boxes: List<Box>, scores: List<Double>, overlap: Double): List<Int> {
    val kept = mutableListOf<Int>()
    for (i in scores.indices.sortedByDescending { scores[it] }) {
        if (kept.all { overlapOf(boxes[it], boxes[i]) <= overlap }) kept += i
    }
    return kept
}

/** Intersection over union. */
private fun overlapOf(one: Box, other: Box): Double {
    val width = max(0.0, min(one.x1, other.x1) - max(one.x0, other.x0))
    val height = max(0.0, min(one.y1, other.y1) - max(one.y0, other.y0))
    return width * height / max(one.area + other.area - width * height, 1e-9)
}

/** Runs the aligner on a crop; returns the points in the photo, to 1/128 pixel, and the score. */
fun align(photo: Image, matrix: Affine, networks: Networks): Pair<List<Point>, Float> {
    val found = networks.align(cropOf(photo, matrix, ALIGN_SIZE))
    return photoPoints(found.points, matrix) to found.score
}

/** Returns the aligner's points in the photo, to 1/128 pixel. */
fun photoPoints(points: FloatArray, matrix: Affine): List<Point> {
    val toPhoto = matrix.inverse()
    return (0..4).map {
        val (x, y) = toPhoto(
            Point(points[2 * it] * ALIGN_SIZE.toDouble() - 0.5, points[2 * it + 1] * ALIGN_SIZE.toDouble() - 0.5),
        )
        Point(round(x * 128) / 128, round(y * 128) / 128)
    }
}

/** Returns the transform from photo to aligner crop for a box: its roll is unknown. */
fun boxMatrix(box: Box): Affine {
    val side = 1.12 * max(box.x1 - box.x0, box.y1 - box.y0)
    val scale = ALIGN_SIZE / side
    val left = (box.x0 + box.x1) / 2 - side / 2
    val top = (box.y0 + box.y1) / 2 - side / 2
    return Affine(scale, 0.0, -scale * left - 0.5, 0.0, scale, -scale * top - 0.5)
}

/** Returns the similarity from photo to aligner crop that brings points nearest to the template. */
fun pointsMatrix(points: List<Point>): Affine {
    val placed = points.map { Point(round8(it.x), round8(it.y)) }
    val from = mean(placed)
    val to = mean(TEMPLATE)
    var real = 0.0
    var imaginary = 0.0
    var variance = 0.0
    placed.zip(TEMPLATE) { p, goal ->
        val (x, y) = Point(p.x - from.x, p.y - from.y)
        val (goalX, goalY) = Point(goal.x - to.x, goal.y - to.y)
        real += x * goalX + y * goalY
        imaginary += x * goalY - y * goalX
        variance += x * x + y * y
    }
    var a = real / max(variance, 1e-9)
    var b = imaginary / max(variance, 1e-9)
    // Points without a size or direction: any crop will do.
    if (hypot(a, b) !in 1e-3..1e3) {
        a = 1.0
        b = 0.0
    }
    return Affine(a, -b, to.x - (a * from.x - b * from.y), b, a, to.y - (b * from.x + a * from.y))
}

private fun mean(points: List<Point>) = Point(points.sumOf { it.x } / points.size, points.sumOf { it.y } / points.size)

private fun move(box: Box, matrix: Affine): Box {
    val (x0, y0) = matrix(Point(box.x0, box.y0))
    val (x1, y1) = matrix(Point(box.x1, box.y1))
    return Box(x0, y0, x1, y1)
}

/** What places the aligner's crops is rounded to 1/8 pixel: runtimes then crop alike. */
private fun round8(value: Double) = round(value * 8) / 8
