// Unmasks a photo with the Kotlin files of examples/android; the networks run in another process.
// Arguments: width, height. Messages on stdin and stdout: see test_phone_apps.py.

package com.example.unmask

import java.io.DataInputStream
import java.nio.ByteBuffer
import java.nio.ByteOrder

private val input = DataInputStream(System.`in`.buffered())

private fun read(count: Int) = ByteArray(count).also { input.readFully(it) }

private fun floats(count: Int): FloatArray {
    val bytes = ByteBuffer.wrap(read(4 * count)).order(ByteOrder.LITTLE_ENDIAN)
    return FloatArray(count) { bytes.float }
}

private fun send(kind: Char, data: ByteArray) {
    System.out.write(kind.code)
    System.out.write(data)
    System.out.flush()
}

private object Remote : Networks {
    override fun detect(tile: Image): Maps {
        send('d', tile.data)
        return Maps(44, 44, floats(44 * 44), floats(44 * 44 * 4))
    }

    override fun align(crop: Image): Aligned {
        send('a', crop.data)
        return Aligned(floats(10), floats(1)[0])
    }

    override fun unmask(crop: Image): Filled {
        send('u', crop.data)
        return Filled(Image(256, 256, 3, read(256 * 256 * 3)), Image(256, 256, 1, read(256 * 256)))
    }
}

fun main(arguments: Array<String>) {
    val (width, height) = arguments.map { it.toInt() }
    val photo = Image(width, height, 3, read(3 * width * height))
    unmask(photo, Remote)
    send('r', photo.data)
}
