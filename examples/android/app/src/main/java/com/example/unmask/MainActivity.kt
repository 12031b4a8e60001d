package com.example.unmask

import android.app.Activity
import android.content.Intent
import android.graphics.Bitmap
import android.graphics.ImageDecoder
import android.net.Uri
import android.os.Bundle
import android.widget.Button
import android.widget.ImageView
import android.widget.LinearLayout
import android.widget.TextView
import com.google.ai.edge.litert.Accelerator
import com.google.ai.edge.litert.LiteRtException
import java.io.IOException
import kotlin.concurrent.thread

/** Picks a photo, removes the masks, shows the result. */
class MainActivity : Activity() {
    private lateinit var button: Button
    private lateinit var message: TextView
    private lateinit var picture: ImageView

    override fun onCreate(state: Bundle?) {
        super.onCreate(state)
        button = Button(this).apply { text = "Choose a photo" }
        message = TextView(this)
        picture = ImageView(this)
        val column = LinearLayout(this).apply { orientation = LinearLayout.VERTICAL }
        column.fitsSystemWindows = true
        listOf(button, message, picture).forEach { column.addView(it) }
        setContentView(column)
        button.setOnClickListener {
            startActivityForResult(Intent(Intent.ACTION_GET_CONTENT).setType("image/*"), 0)
        }
    }

    override fun onActivityResult(request: Int, result: Int, data: Intent?) {
        val uri = data?.data ?: return
        button.isEnabled = false
        message.text = "Unmasking…"
        thread {
            try {
                val bitmap = read(uri)
                show("${unmaskBitmap(bitmap)} masks removed. What was under them is generated.", bitmap)
            } catch (error: IOException) {
                show("The photo cannot be read: ${error.message}", null)
            } catch (error: LiteRtException) {
                show("The networks do not run: ${error.message}", null)
            }
        }
    }

    private fun show(text: String, bitmap: Bitmap?) = runOnUiThread {
        button.isEnabled = true
        message.text = text
        picture.setImageBitmap(bitmap)
    }

    /** Reads a photo upright, as pixels that may be changed. */
    private fun read(uri: Uri): Bitmap {
        val source = ImageDecoder.createSource(contentResolver, uri)
        return ImageDecoder.decodeBitmap(source) { decoder, _, _ ->
            decoder.allocator = ImageDecoder.ALLOCATOR_SOFTWARE
            decoder.isMutableRequired = true
        }
    }

    private fun unmaskBitmap(bitmap: Bitmap): Int {
        val photo = Image(bitmap.width, bitmap.height)
        val row = IntArray(bitmap.width)
        for (y in 0 until bitmap.height) {
            bitmap.getPixels(row, 0, row.size, 0, y, row.size, 1)
            var i = 3 * y * row.size
            for (color in row) for (shift in intArrayOf(16, 8, 0)) photo.data[i++] = (color shr shift).toByte()
        }
        val count = LiteRtNetworks(assets, Accelerator.CPU).use { unmask(photo, it) }
        for (y in 0 until bitmap.height) {
            for (x in row.indices) {
                val i = 3 * (y * row.size + x)
                val (red, green, blue) = List(3) { photo.data[i + it].toInt() and 255 }
                row[x] = (255 shl 24) or (red shl 16) or (green shl 8) or blue
            }
            bitmap.setPixels(row, 0, row.size, 0, y, row.size, 1)
        }
        return count
    }
}
