package com.example.unmask

import android.content.res.AssetManager
import com.google.ai.edge.litert.Accelerator
import com.google.ai.edge.litert.CompiledModel
import com.google.ai.edge.litert.TensorBuffer

/** Runs the networks with LiteRT's CompiledModel, all on one accelerator: no silent fallback. */
class LiteRtNetworks(assets: AssetManager, accelerator: Accelerator) : Networks, AutoCloseable {
    private val detector = OpenedFile(assets, "detector-int8.tflite", accelerator, "heat", "box")
    private val aligner = OpenedFile(assets, "aligner-int8.tflite", accelerator, "points", "score")
    private val unmasker =
        OpenedFile(assets, "unmask-256-lite-int8.tflite", accelerator, "unmasked", "mask")

    override fun detect(tile: Image): Maps {
        val (heat, box) = detector.run(tile).map { it.readFloat() }
        return Maps(TILE / 8, TILE / 8, heat, box)
    }

    override fun align(crop: Image): Aligned {
        val (points, score) = aligner.run(crop).map { it.readFloat() }
        return Aligned(points, score[0])
    }

    override fun unmask(crop: Image): Filled {
        val (unmasked, mask) = unmasker.run(crop).map { it.readInt8() }
        return Filled(Image(CROP_SIZE, CROP_SIZE, 3, unmasked), Image(CROP_SIZE, CROP_SIZE, 1, mask))
    }

    override fun close() = listOf(detector, aligner, unmasker).forEach { it.close() }
}

private class OpenedFile(
    assets: AssetManager,
    file: String,
    accelerator: Accelerator,
    vararg outputs: String,
) : AutoCloseable {
    private val model = CompiledModel.create(assets, file, CompiledModel.Options(accelerator))
    private val input = model.createInputBuffer("image")
    // By name: their order differs between formats.
    private val outputs = outputs.associateWith { model.createOutputBuffer(it) }

    fun run(image: Image): List<TensorBuffer> {
        input.writeInt8(image.data)
        model.run(mapOf("image" to input), outputs)
        return outputs.values.toList()
    }

    override fun close() {
        input.close()
        outputs.values.forEach { it.close() }
        model.close()
    }
}
