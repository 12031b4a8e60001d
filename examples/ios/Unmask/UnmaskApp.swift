import PhotosUI
import SwiftUI

@main
struct UnmaskApp: App {
    var body: some Scene {
        WindowGroup { ContentView() }
    }
}

/// Picks a photo, removes the masks, shows the result.
struct ContentView: View {
    @State private var choice: PhotosPickerItem?
    @State private var picture: UIImage?
    @State private var message = ""

    var body: some View {
        VStack {
            PhotosPicker("Choose a photo", selection: $choice, matching: .images)
            Text(message)
            if let picture {
                Image(uiImage: picture).resizable().scaledToFit()
            }
        }
        .padding()
        .onChange(of: choice) { Task { await unmaskChoice() } }
    }

    private func unmaskChoice() async {
        message = "Unmasking…"
        do {
            guard let data = try await choice?.loadTransferable(type: Data.self),
                let photo = UIImage(data: data)
            else {
                message = "The photo cannot be read."
                return
            }
            let (result, count) = try await Task.detached { try unmasked(photo) }.value
            picture = result
            message = "\(count) masks removed. What was under them is generated."
        } catch {
            message = error.localizedDescription
        }
    }
}

/// Removes the masks from a photo; returns it and how many there were.
private func unmasked(_ photo: UIImage) throws -> (UIImage, Int) {
    let (width, height) = (Int(photo.size.width * photo.scale), Int(photo.size.height * photo.scale))
    let context = CGContext(
        data: nil, width: width, height: height, bitsPerComponent: 8, bytesPerRow: 4 * width,
        space: CGColorSpace(name: CGColorSpace.sRGB)!,
        bitmapInfo: CGImageAlphaInfo.noneSkipLast.rawValue)!
    // UIKit draws the photo upright, in coordinates that begin at the top.
    context.translateBy(x: 0, y: CGFloat(height))
    context.scaleBy(x: 1, y: -1)
    UIGraphicsPushContext(context)
    photo.draw(in: CGRect(x: 0, y: 0, width: width, height: height))
    UIGraphicsPopContext()

    let rgba = context.data!.assumingMemoryBound(to: UInt8.self)
    var pixels = Pixels(width: width, height: height)
    for i in 0..<width * height {
        for k in 0..<3 { pixels.data[3 * i + k] = rgba[4 * i + k] }
    }
    let count = try unmask(&pixels, CoreMLNetworks())
    for i in 0..<width * height {
        for k in 0..<3 { rgba[4 * i + k] = pixels.data[3 * i + k] }
    }
    return (UIImage(cgImage: context.makeImage()!), count)
}
