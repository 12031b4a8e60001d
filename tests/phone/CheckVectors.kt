// Compares the Kotlin files of examples/android with vectors of `unmask export vectors`.
// Prints a line for each output: name, how many values, largest and mean difference.

package com.example.unmask

import java.io.File
import java.nio.ByteBuffer
import java.nio.ByteOrder
import kotlin.math.abs

private class Difference(var count: Long = 0, var largest: Double = 0.0, var sum: Double = 0.0)

private val found = linkedMapOf<String, Difference>()
private lateinit var bytes: ByteBuffer

fun main(arguments: Array<String>) {
    val folder = File(arguments[0])
    bytes = ByteBuffer.wrap(File(folder, "vectors.bin").readBytes()).order(ByteOrder.LITTLE_ENDIAN)
    val json = Json(File(folder, "vectors.json").readText()).read() as Map<*, *>
    for (vector in json["vectors"] as List<*>) check(vector as Map<*, *>)
    for ((name, it) in found) println("$name ${it.count} ${it.largest} ${it.sum / it.count}")
}

private fun check(vector: Map<*, *>) {
    val photo = image(vector["photo"])
    val halves = mutableListOf(photo)
    for (step in vector["letterbox"] as List<*>) {
        step as Map<*, *>
        val (canvas, toPhoto) = letterbox(halves, step["scale"] as Double)
        compare("canvas", pixels(canvas), pixels(image(step["canvas"])))
        compare("factors", listOf(toPhoto.a, toPhoto.e), numbers(step["factors"]))
    }
    val shape = numbers((vector["heat"] as Map<*, *>)["shape"])
    val (boxes, heats) = decode(
        Maps(shape[1].toInt(), shape[0].toInt(), floats(vector["heat"]), floats(vector["box"])),
    )
    compare("boxes", boxes.flatMap { listOf(it.x0, it.y0, it.x1, it.y1) }, numbers(vector["boxes"]))
    compare("heats", heats, numbers(vector["heats"]))
    compare("kept", nms(boxes, heats, MAX_OVERLAP).map { it.toDouble() }, numbers(vector["kept"]))

    val (x0, y0, x1, y1) = numbers(vector["face_box"])
    val first = boxMatrix(Box(x0, y0, x1, y1))
    compare("box_matrix", first.values(), numbers(vector["box_matrix"]))
    val located = photoPoints(floats(vector["aligner_points"]), first)
    compare("points", located.flatMap { listOf(it.x, it.y) }, numbers(vector["points"]))
    val second = pointsMatrix(points(vector["placing"]))
    compare("points_matrix", second.values(), numbers(vector["points_matrix"]))
    compare("aligner_crop", pixels(cropOf(photo, second, ALIGN_SIZE)), pixels(image(vector["aligner_crop"])))

    val (left, right) = points(vector["eyes"])
    val matrix = cropMatrix(left, right)
    compare("crop_matrix", matrix.values(), numbers(vector["crop_matrix"]))
    compare("crop", pixels(cropOf(photo, matrix, CROP_SIZE)), pixels(image(vector["crop"])))
    paste(photo, Filled(image(vector["unmasked"]), image(vector["mask"])), matrix)
    compare("pasted", pixels(photo), pixels(image(vector["pasted"])))
}

private fun compare(name: String, values: List<Double>, expected: List<Double>) {
    val entry = found.getOrPut(name) { Difference() }
    if (values.size != expected.size) entry.largest = Double.POSITIVE_INFINITY
    for ((value, wanted) in values.zip(expected)) {
        val difference = abs(value - wanted)
        entry.count += 1
        entry.sum += difference
        if (!(difference <= entry.largest)) entry.largest = difference
    }
}

private fun Affine.values() = listOf(a, b, c, d, e, f)

private fun pixels(image: Image) = image.data.map { (it.toInt() and 255).toDouble() }

private fun image(value: Any?): Image {
    val shape = numbers((value as Map<*, *>)["shape"]).map { it.toInt() }
    val image = Image(shape[1], shape[0], shape.getOrElse(2) { 1 })
    bytes.position((value["offset"] as Double).toInt())
    bytes.get(image.data)
    return image
}

private fun floats(value: Any?): FloatArray {
    val shape = numbers((value as Map<*, *>)["shape"])
    bytes.position((value["offset"] as Double).toInt())
    return FloatArray(shape.reduce(Double::times).toInt()) { bytes.float }
}

private fun points(value: Any?) = numbers(value).chunked(2).map { (x, y) -> Point(x, y) }

/** Returns all numbers of nested lists. */
private fun numbers(value: Any?): List<Double> =
    if (value is List<*>) value.flatMap { numbers(it) } else listOf(value as Double)

/** Reads JSON without escapes in its texts. */
private class Json(private val text: String) {
    private var at = 0

    fun read(): Any? = when (next()) {
        '{' -> generateSequence { if (more('}')) read() as String to (also { next(':') }.read()) else null }.toMap()
        '[' -> generateSequence { if (more(']')) listOf(read()) else null }.flatten().toList()
        '"' -> text.substring(at, text.indexOf('"', at)).also { at += it.length + 1 }
        else -> {
            val end = generateSequence(at) { it + 1 }.first { it == text.length || text[it] in ",]} \n" }
            text.substring(at - 1, end).toDouble().also { at = end }
        }
    }

    private fun next(): Char {
        while (text[at].isWhitespace()) at++
        return text[at++]
    }

    private fun next(wanted: Char) = check(next() == wanted)

    /** Whether another item follows; steps over the comma before it or over the end. */
    private fun more(end: Char): Boolean {
        val char = next()
        if (char == end) return false
        if (char != ',') at--
        return true
    }
}
